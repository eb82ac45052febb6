package main

// A threat is one way in which somebody may get at something, and what stops them.
type threat struct {
	actor, asset string
	attack       string   // what the actor does
	commands     []string // of purser without its name; "mcp: TOOL" for a tool; another program by its name
	stops        string
	// held names the tests: "hostile/NAME" and "script/NAME" for the scripts in testdata,
	// "FOLDER.TestName" for a test in Go.
	held []string
}

// The actors.
const (
	byCheckout  = "an author of the checkout"
	byJob       = "a job's code on an agent"
	byNeighbour = "another user of the machine"
	byProcess   = "another process of yours"
	byAgent     = "an AI agent"
	byNetwork   = "the network, or a registry that lies"
	byCloud     = "an AWS that lies, or another AWS account"
	byReader    = "a reader of output, logs or transcripts"
	byHolder    = "a finder of a leaked token"
	byEditor    = "an editor of receipts"
)

// What they are after.
const (
	storedToken   = "a stored token"
	freshToken    = "a new token"
	aSession      = "a session or password"
	whatIsCurrent = "the current token"
	theRecord     = "the record of changes"
	yourFiles     = "your other files"
	yourConsent   = "your consent"
)

// readingCommands are the commands that read a stored value and send it to its registry.
var readingCommands = []string{"check", "rotate", "rollback", "revoke", "respond", "mcp: check", "mcp: rotate", "mcp: rollback", "mcp: revoke", "mcp: respond"}

// threats is the model. SECURITY.md says what it leaves out.
var threats = []threat{
	{
		byCheckout, storedToken, "names another registry for the secret", append([]string{"store", "exec", "status"}, readingCommands...),
		"The store's mark and the token's form decide where a value may go.",
		[]string{"hostile/another-registry", "hostile/encrypted-file", "internal/store.TestAValueIsReleasedOnlyToItsRegistry", "internal/lifecycle.TestRebindingDoesNotClaimTheOldRegistrysToken"},
	},
	{
		byCheckout, storedToken, "names a secret that was stored by hand", readingCommands,
		"A person says once whose it is; otherwise purser does not send it.",
		[]string{"hostile/by-hand", "internal/store.TestAPersonIsAskedOnceAboutAnUnmarkedValue"},
	},
	{
		byCheckout, storedToken, "trusts its own certificates, or lets another host ask for the token", append([]string{"store"}, readingCommands...),
		"A person agrees to exactly these certificates and hosts, and the mark records it.",
		[]string{"hostile/certificates", "hostile/token-service", "internal/store.TestSecretsManagerRemembersConsentToAWayAndTheFileDoesNot", "internal/wire.TestCertificatesThatChangeMeanwhileAreNotTrusted", "internal/credential.TestAMarkVouchesOnlyForTheWayThatAPersonAgreedTo"},
	},
	{
		byCheckout, freshToken, "adds a place that gets a copy of the token", []string{"store", "rotate", "respond", "tokens create", "mcp: store", "mcp: rotate", "mcp: respond"},
		"A place that the store does not mark as the credential's needs a person.",
		[]string{"hostile/new-place", "internal/lifecycle.TestATokenGoesToANewPlaceOnlyWithConsent"},
	},
	{
		byCheckout, whatIsCurrent, "names another account or repository", []string{"store", "rotate", "check", "tokens create"},
		"The registry has to grant what is needed before anything becomes current; purser revokes a token that it made needlessly.",
		[]string{"hostile/repository"},
	},
	{
		byCheckout, yourFiles, "names files of yours as store, receipts, certificates or configuration", []string{"store", "check", "status", "doctor", "init", "terraform", "configure-docker", "mcp: init", "mcp: terraform"},
		"purser overwrites no file that is not its own, quotes nothing from one, and keeps receipts in the project.",
		[]string{"hostile/your-files", "internal/config.TestATokenInAnyPlaceIsInNoError", "internal/receipt.TestALogStaysInItsFolder"},
	},
	{
		byCheckout, storedToken, "has programs with the names of those that purser starts", []string{"exec", "job start", "store"},
		"purser starts no program that a relative entry of PATH leads to.",
		[]string{"hostile/programs"},
	},
	{
		byCheckout, yourConsent, "disguises the question that a person answers", append([]string{"store", "init", "mcp: init"}, readingCommands...),
		"The configuration takes no character that is not printed, and no line break in a name.",
		[]string{"hostile/question", "internal/askpage.TestThePageSaysWhoseTokenItIsAndWhereItGoes"},
	},
	{
		byCheckout, freshToken, "has tokens, escapes and commands in Terraform and CI scripts", []string{"init", "terraform"},
		"purser reads both without running either, and writes HCL in which nothing is a template.",
		[]string{"hostile/reading", "internal/terraform.TestSyntaxErrorsNameTheLineAndQuoteNothing", "internal/terraform.TestReadUnderstandsWrittenConfiguration"},
	},
	{
		byCheckout, storedToken, "plants guesses, links and names for a scan to confirm or show", []string{"scan", "mcp: scan"},
		"A scan shows nothing of what it finds, follows no link, and confirms no guess of a password to those who wrote the configuration.",
		[]string{"hostile/scan", "script/scan", "internal/scan.TestFilesAreLookedThrough"},
	},
	{
		byCheckout, yourFiles, "names programs in a git repository, which git runs during a scan", []string{"scan", "mcp: scan"},
		"purser gives git an empty repository of its own with the other's objects, so git never reads that configuration.",
		[]string{"script/scan_git", "internal/scan.TestNothingRunsThatARepositoryNames", "internal/scan.TestAPipeAmongObjectsDoesNotStopAScan"},
	},
	{
		byCheckout, storedToken, "changes the file of fingerprints, or guesses from it", []string{"scan"},
		"A file of fingerprints can only make a scan find too little or the wrong text; a guess has to be the whole token, and each costs a slow hash.",
		[]string{"internal/scan/fingerprint.TestAForgedFileFindsOnlyText", "internal/scan/fingerprint.TestBadFilesAreRefused", "internal/scan/fingerprint.TestEachGuessCostsASlowHash"},
	},
	{
		byJob, storedToken, "brings a purser.yaml of its own", append([]string{"exec", "job start", "store"}, readingCommands...),
		"In CI, and where the machine has a configuration, purser reads none from the working directory.",
		[]string{"hostile/in-ci", "hostile/variables", "cmd/docker-credential-purser.TestAPullRequestCannotNameAnotherRegistry"},
	},
	{
		byJob, storedToken, "asks the helper for a token in another registry's name", []string{"docker-credential-purser"},
		"The helper gives a token for the registry of its credential alone.",
		[]string{"cmd/docker-credential-purser.TestOtherNamesAreNotFound", "cmd/docker-credential-purser.TestATokenIsNotReturnedForAnotherVendorsRegistry"},
	},
	{
		byJob, storedToken, "leads the session's D-Bus, and so the keychain, elsewhere", []string{"store", "docker-credential-purser"},
		"purser speaks to a socket of this machine alone, and starts no program for a bus.",
		[]string{"hostile/session-bus", "internal/keychain.TestOnlyASocketOfThisMachineIsABus"},
	},
	{
		byJob, storedToken, "prints the token into the job's log", []string{"exec", "job start"},
		"exec removes it from the output in every usual encoding; purser registers it with a Buildkite agent first, or runs nothing.",
		[]string{"script/exec", "script/job", "internal/redact.TestEverySpellingIsRedactedAcrossWrites"},
	},
	{
		byNeighbour, storedToken, "leaves a purser.yaml in a parent folder, or writes yours", append([]string{"configure-docker", "docker-credential-purser"}, readingCommands...),
		"purser does not read a file that others may write or that is another user's.",
		[]string{"internal/config.TestOnlyThePersonsOwnFileIsFound", "internal/config.TestAFileSaysWhetherItIsTrusted"},
	},
	{
		byNeighbour, storedToken, "makes a job's folder first, or links it elsewhere", []string{"job start", "job end", "exec", "remove-after"},
		"purser makes its private folders itself or stops, and removes only what it made.",
		[]string{"hostile/folder-first", "script/job"},
	},
	{
		byNeighbour, storedToken, "reads files and the kernel's keyring", []string{"store", "docker-credential-purser", "logout"},
		"The encrypted file and its identity are the owner's alone; a login in the keyring is one user's, for seconds.",
		[]string{"internal/store/agefile.TestOnlyTheOwnerCanReadTheFileAndItsIdentity", "internal/store/agefile.TestAnIdentityThatOthersMayReadIsRefused", "cmd/docker-credential-purser.TestWhatIsKeptIsForgotten"},
	},
	{
		byNeighbour, yourConsent, "finds or fills the page that asks a person", []string{"store", "mcp: store", "tokens create", "rotate", "respond", "mcp: login"},
		"The page's address is in no argument; it takes one answer, and strangers cannot keep the person out.",
		[]string{"internal/askpage.TestWhoIsNotAnswered", "internal/askpage.TestWhatIsNoDecision", "internal/askpage.TestTheTokenIsGivenOnce", "internal/askpage.TestHalfOpenConnectionsDoNotStarveThePerson", "internal/wire.TestTheOpenerIsNotToldTheAddress"},
	},
	{
		byNeighbour, aSession, "answers the sign-in page's callback", []string{"login aws"},
		"The callback takes one answer, with the state that purser chose.",
		[]string{"internal/signin.TestTheCallbackRefusesForgedAnswers"},
	},
	{
		byProcess, freshToken, "reads arguments, memory or core files", []string{"store", "tokens create", "exec", "docker-credential-purser"},
		"purser refuses a token among its arguments, forbids a debugger to attach (Linux, macOS), and leaves no core.",
		[]string{"script/arguments", "internal/process.TestTheProcessIsNotDumpable", "internal/process.TestACrashIsQuietAndLeavesNoCore"},
	},
	{
		byAgent, yourConsent, "answers for the person, through MCP or with a flag", []string{"mcp", "mcp: store", "mcp: tokens_list", "mcp: init", "mcp: rotate", "mcp: rollback", "mcp: respond", "mcp: revoke", "store", "rotate", "revoke", "tokens revoke"},
		"No tool takes an answer, and no error offers an agent the flag that gives one.",
		[]string{"cmd/purser.TestAnAgentCannotAgreeForThePerson", "cmd/purser.TestEveryDecisionOfACallIsAsked", "internal/agent.TestAnAgentIsNotOfferedAWayPastThePerson", "cmd/purser.TestNoErrorOffersTheFlagThatAnswersForYou"},
	},
	{
		byAgent, yourConsent, "posts to the page itself, guesses a call's id, or answers for its client", []string{"mcp: wait", "mcp: store", "mcp: tokens_list", "mcp: rotate", "mcp: rollback", "mcp: respond", "mcp: revoke"},
		"No result and no message to the agent has the address of a page that asks for a yes; a page takes only what its own form sends; an id gives back a result and nothing else.",
		[]string{
			"cmd/purser.TestTheAgentNeverLearnsWhereToAgree", "cmd/purser.TestAnAgentThatKnowsTheAddressCannotPostTheForm", "cmd/purser.TestAnUnaskedAnswerDoesNotCount",
			"cmd/purser.TestAClientThatAgreesByItselfAgreesToNothing", "internal/askpage.TestWhatIsNoDecision",
		},
	},
	{
		byAgent, yourFiles, "makes purser read or write outside the project", []string{"mcp: init", "mcp: terraform"},
		"A tool takes no path that leads out of the project, shows what init would write, and asks before a file changes.",
		[]string{"internal/agent.TestWhatIsWrongWithArgumentsIsNotRepeated", "cmd/purser.TestTheOtherToolsAnswer"},
	},
	{
		byAgent, freshToken, "passes a token to a tool, or reads one from a result", []string{"mcp: status", "mcp: check", "mcp: scan", "mcp: doctor", "mcp: store", "mcp: tokens_list", "mcp: init", "mcp: login", "mcp: rotate", "mcp: rollback", "mcp: respond", "mcp: revoke", "mcp: terraform", "mcp: exec_advice", "mcp: wait"},
		"No tool has a field for one, purser refuses anything that looks like a token, and no result holds a value.",
		[]string{"cmd/purser.TestWhatAnAgentMayNotDo", "cmd/purser.TestAnAgentDrivesAWholeStore"},
	},
	{
		byNetwork, storedToken, "redirects, asks for the token elsewhere, or speaks plain http", append([]string{"store", "tokens list", "tokens create", "mcp: tokens_list"}, readingCommands...),
		"purser follows no redirect with a secret, gives a token to no service that the registry does not own, and sends it over TLS, or on loopback.",
		[]string{
			"internal/registry.TestATokenDoesNotFollowARedirect", "internal/registry.TestATokenGoesOnlyToTheRegistrysTokenService", "internal/registry.TestPlainHTTPIsForLoopbackOnly",
			"internal/registry/dockerhub.TestTokenListsArePagedOnlyOnTheSamePath", "internal/transport.TestAProxyGetsOnlyTunnels",
		},
	},
	{
		byNetwork, whatIsCurrent, "grants less than purser asked for, or grants it to anybody", []string{"store", "check", "rotate", "rollback", "doctor"},
		"A proof reads what the registry granted and repeats the upload without a token; an unknown answer stops the run.",
		[]string{"internal/registry.TestARegistryThatLetsAnybodyPushProvesNothing", "internal/registry.TestWhatSaysNothingAboutTheTokenIsUnknown"},
	},
	{
		byNetwork, storedToken, "repeats the token in an error, floods, or sends terminal escapes", []string{"store", "check", "doctor", "tokens list", "respond"},
		"purser quotes nothing that holds a piece of what it sent, cleans the rest, and stops reading at a limit.",
		[]string{"script/strange", "internal/transport.TestAnEndlessAnswerIsCutOff", "internal/audit.TestTextsOfReadersAreQuoted", "internal/registry/dockerhub.TestUnexpectedAnswersToTokenManagement"},
	},
	{
		byNetwork, theRecord, "makes a bearer token look dead, or keeps purser busy while a leaked token works", []string{"respond", "revoke", "mcp: respond", "mcp: revoke"},
		"Only the registry's own challenge counts, twice in a row; purser believes no impossible lifetime, and waits seconds for a bearer token, never longer.",
		[]string{"internal/registry.TestOnlyARegistrysOwnAnswerSaysWhetherABearerWorks", "internal/registry.TestABearersLifeIsWhatTheRegistrySays", "internal/lifecycle.TestARegistryThatHangsDoesNotDelayTheEndOfALeakedToken"},
	},
	{
		byCloud, freshToken, "offers a secret of the attacker's, marked as if it were yours", []string{"store", "rotate", "respond"},
		"A secret in another account cannot prove that it is yours.",
		[]string{"hostile/another-account", "internal/store/secretsmanager.TestASecretInAnotherAccountIsForeign"},
	},
	{
		byCloud, whatIsCurrent, "gives back another value, or lags", []string{"store", "rotate", "respond", "purser-lambda"},
		"Nothing becomes current that was not read back, compared and proved.",
		[]string{"internal/lifecycle.TestAReadBackThatDiffersIsNotPromoted", "internal/lifecycle.TestLaggingReadsAreRepeatedAFewTimes", "internal/lifecycle.TestAScheduledStepFailsUnlessItsRotationIsUnderWay"},
	},
	{
		byCloud, storedToken, "repeats the value in an error", append([]string{"store", "purser-lambda"}, readingCommands...),
		"purser quotes nothing that holds a piece of what it sent.",
		[]string{"internal/store/secretsmanager.TestAnEchoOfTheValueIsNotQuoted"},
	},
	{
		byReader, storedToken, "looks at output, --debug, a crash or a panic", append([]string{"store", "exec", "doctor", "status", "tokens list", "receipt verify"}, readingCommands...),
		"A secret prints as [redacted]; --debug shows headers and bodies by an allow-list; a panic says where it happened, and shows no value.",
		[]string{"script/debug", "internal/transport.TestATraceShowsNoSecrets", "internal/credential.TestNoPrintingVerbShowsASecret", "internal/credential.TestNoLoggerShowsASecret", "internal/credential.TestAPanicWithASecretDoesNotShowIt"},
	},
	{
		byReader, aSession, "watches the terminal while you sign in", []string{"login dockerhub", "tokens list", "tokens create", "tokens revoke", "tokens deactivate", "tokens activate", "store"},
		"purser asks for passwords, codes and tokens without echo, and keeps none.",
		[]string{"script/prompt", "script/login"},
	},
	{
		byHolder, whatIsCurrent, "pushes with it until somebody notices", []string{"respond", "revoke", "tokens deactivate", "tokens revoke", "rotate"},
		"purser ends the token before anything else, and asks the registry whether it is dead.",
		[]string{"internal/lifecycle.TestRespondSwitchesTheTokenOffFirst", "internal/lifecycle.TestRevokeEndsTheTokenOfAStage", "script/respond"},
	},
	{
		byHolder, whatIsCurrent, "signs in with it, and goes on with the bearer token after its end", []string{"respond", "revoke", "rotate", "mcp: respond", "mcp: revoke", "mcp: rotate"},
		"purser says until when such a bearer token may work, counted from the registry's last chance to issue one; --wait measures it.",
		[]string{"script/bearers", "internal/registry.TestABearerOutlivesItsToken", "internal/lifecycle.TestTheLastBearerMayBeYoungerThanPursers", "internal/lifecycle.TestRespondMeasuresHowLongTheLastBearerWorks"},
	},
	{
		byEditor, theRecord, "changes, drops or adds a line", []string{"receipt verify", "store", "rotate", "rollback", "revoke", "respond"},
		"Each receipt is signed by a key that you name, has a number, and names the previous one.",
		[]string{"internal/receipt.TestTamperingIsRefused", "internal/receipt.TestAChainRevealsTampering", "internal/receipt.TestOpenNeedsATrustedKey", "script/receipt-chain"},
	},
}

// harmless are the commands that touch no secret, and why.
var harmless = map[string]string{
	"":               "prints its help",
	"help":           "prints the help of a command",
	"job":            "prints its help",
	"login":          "prints its help",
	"receipt":        "prints its help",
	"tokens":         "prints its help",
	"sandbox":        "prints what the stand-ins are; their tokens are made up",
	"sandbox up":     "starts stand-ins on loopback; their tokens are made up",
	"sandbox down":   "stops what up started",
	"sandbox serve":  "starts stand-ins on loopback; their tokens are made up",
	"sandbox fault":  "makes a stand-in misbehave",
	"sandbox run":    "runs a command that sees stand-ins in place of registries and AWS",
	"sandbox shell":  "runs a shell that sees stand-ins in place of registries and AWS",
	"sandbox inside": "is what run starts; not for people",
	"sandbox try":    "shows the main job with made-up tokens",
	"rehearse":       "rotates with stand-ins, and contacts nothing real",
	"schema":         "prints the schema of purser.yaml",
	"schema output":  "prints the schema of reports",
	"completion":     "prints a script for a shell; the shell asks purser for words later",
	"man":            "writes manual pages",
	"version":        "prints the version",
	"logout aws":     "ends what login aws began; the session is the AWS tools' own file",
}
