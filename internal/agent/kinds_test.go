package agent

import _ "purser/internal/wire/kinds" // whose advice and pages are told
