package iam

import _ "purser/internal/wire/kinds" // the tests need its token forms
