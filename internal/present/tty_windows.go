package present

// ControllingTerminal is no path: purser asks nothing in a console of Windows. There,
// /dev/tty would be a file that every user can make, with answers in it.
const ControllingTerminal = ""
