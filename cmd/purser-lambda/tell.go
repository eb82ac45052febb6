package main

import (
	"cmp"
	"context"
	"errors"

	"purser/internal/credential"
	"purser/internal/wire/receipts"
)

// The detail-types of events on EventBridge.
const (
	eventDone    = "Rotation Done"
	eventRetired = "Token Retired"
	eventFailed  = "Rotation Failed"
	eventOverdue = "Rotation Overdue"
)

// detail is an event's content, without secrets.
type detail struct {
	Credential string `json:"credential"`
	Registry   string `json:"registry"`
	Account    string `json:"account,omitempty"`
	Secret     string `json:"secret"`
	Version    string `json:"version,omitempty"`
	Step       string `json:"step,omitempty"`
	Reason     string `json:"reason,omitempty"`
	What       string `json:"what,omitempty"`
	Why        string `json:"why,omitempty"`
	Next       string `json:"next,omitempty"` // the command to type
}

const busOff = "off" // the value of PURSER_EVENT_BUS for no events

// tell puts an event on EventBridge. The caller still returns cause.
func (j *job) tell(ctx context.Context, kind string, cause error) error {
	bus := cmp.Or(j.env.EventBus, "default")
	if bus == busOff {
		return nil
	}
	d := detail{
		Credential: string(j.credential.Name), Registry: string(j.credential.Registry), Account: j.credential.Username,
		Secret: j.secret, Version: string(j.version), Step: j.step,
	}
	if cause != nil {
		d.What, d.Next = credential.Quote(cause.Error()), "purser rotate "+d.Credential
		if f, ok := errors.AsType[*credential.Fault](cause); ok {
			d.Reason, d.What, d.Why = string(f.Reason), f.What, f.Why
		}
	}
	return receipts.PutEvent(context.WithoutCancel(ctx), j.wire, j.places[0].Target, bus, kind, d, j.secret)
}
