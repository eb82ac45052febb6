package askpage_test

import _ "purser/internal/wire/kinds" // the tests use their tokens and hosts
