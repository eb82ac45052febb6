package agent

import _ "purser/internal/wire/kinds" // provide advice and pages
