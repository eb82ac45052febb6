package present

import _ "purser/internal/wire/kinds" // for their advice and pages
