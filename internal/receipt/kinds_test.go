package receipt_test

import _ "purser/internal/wire/kinds" // whose tokens and hosts the tests are about
