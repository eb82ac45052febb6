package snapshot_test

import _ "purser/internal/wire/kinds" // the tests need its vendors and stores
