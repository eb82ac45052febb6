package fingerprint

import _ "purser/internal/wire/kinds" // the tests need the prefixes of its tokens
