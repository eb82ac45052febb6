package sandbox_test

import _ "purser/internal/wire/kinds" // registers token forms and hosts
