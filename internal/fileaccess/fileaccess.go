// Package fileaccess tells whether other users may write or read a file: by owner and mode on
// Unix, by owner and access control list on Windows. Administrators may do both everywhere,
// and do not count.
package fileaccess
