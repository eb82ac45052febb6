package main

import (
	"purser/internal/credential"
)

// The exit codes, the same for every command.
const (
	exitOK      = 0
	exitFailed  = 1 // something else went wrong
	exitUsage   = 2 // wrong usage or configuration
	exitBad     = 3 // the credential is bad: rejected, expired, not allowed to push
	exitAWS     = 4 // not signed in or not allowed at AWS
	exitMissing = 5 // something is missing that Terraform should have made
	exitUnknown = 6 // could not tell: no answer, 429, 5xx, a signal, --timeout
)

// exitCodes is complete: a test holds every reason against it.
var exitCodes = map[credential.Reason]int{
	credential.Usage: exitUsage, credential.NoConfiguration: exitUsage, credential.TokenInArguments: exitUsage, credential.BadToken: exitUsage,
	credential.KindNotStored: exitUsage, credential.NoTerminal: exitUsage, credential.SourceUnclear: exitUsage, credential.ConsentNeeded: exitUsage, credential.BelongsElsewhere: exitUsage, credential.ReceiptFile: exitUsage,
	credential.NoToken: exitFailed, credential.CannotWatch: exitFailed, credential.Declined: exitFailed,
	credential.Interrupted: exitUnknown, credential.TimedOut: exitUnknown, credential.OutputLost: exitFailed,

	credential.TokenRefused: exitBad, credential.TokenExpired: exitBad, credential.NeedsToken: exitBad,
	credential.LevelTooLow: exitBad, credential.NotPermitted: exitBad, credential.WrongOwner: exitBad,
	credential.RepositoryMissing: exitBad, credential.ValueStrange: exitBad, credential.SecretEmpty: exitBad,

	credential.SessionNeeded: exitFailed, credential.SessionEnded: exitFailed, credential.SignInRefused: exitFailed, credential.SignInImpossible: exitFailed,
	credential.MintRefused: exitFailed, credential.TokenLimit: exitFailed, credential.PlanLacks: exitFailed, credential.NoSuchToken: exitFailed, credential.NotDead: exitUnknown,
	credential.MaybeMinted: exitUnknown,

	credential.RateLimited: exitUnknown, credential.RegistryUnreachable: exitUnknown,
	credential.RegistryStrange: exitUnknown, credential.RegistryUnsafe: exitUnknown, credential.ProofEmpty: exitUnknown,
	credential.StoreUnreachable: exitUnknown, credential.Overtaken: exitUnknown,

	credential.ProfileMissing: exitAWS, credential.NotSignedIn: exitAWS, credential.RegionMissing: exitAWS,
	credential.AccessDenied: exitAWS, credential.KeyDenied: exitAWS, credential.ClockSkew: exitAWS,

	credential.SecretMissing: exitMissing, credential.SecretDeleted: exitMissing,

	credential.MidRotation: exitFailed, credential.StoreRefused: exitFailed, credential.StoreFile: exitFailed,
	credential.ReadBackDiffers: exitFailed, credential.DockerPlaintext: exitFailed, credential.HelperMissing: exitFailed, credential.AgentRedactor: exitFailed,
	credential.TerraformOverwrites: exitFailed, credential.TerraformHolds: exitFailed,
	credential.KeyUnfit: exitMissing, credential.ReplicaBehind: exitFailed, credential.RotationOverdue: exitFailed, credential.ReceiptFailed: exitFailed, credential.ReceiptBad: exitFailed,
}

// exitCode is what the process ends with for an error.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if code, ok := exitCodes[credential.ReasonOf(err)]; ok {
		return code
	}
	return exitFailed
}

// worst is the code to end with when several things went differently: a bad
// credential is worse than one that could not be looked at.
func worst(codes ...int) int {
	for _, code := range []int{exitBad, exitMissing, exitAWS, exitUnknown, exitUsage, exitFailed} {
		for _, c := range codes {
			if c == code {
				return code
			}
		}
	}
	return exitOK
}
