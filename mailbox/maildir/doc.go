// Package maildir is a mailbox in a Maildir: one file for each message, as
// Dovecot, Courier, mutt and mbsync keep them.
//
//	mb, err := maildir.Open("Maildir", nil)
//
// It is safe to use while those programs, or others of this package, use the
// same directory: no lock is needed for it.
//
// # What is where
//
// A folder is a directory with tmp, new and cur. By default folders lie as
// Maildir++ has it: the directory itself is INBOX, and the folder Lists/Go is
// .Lists.Go in it. With [Plain] it is Lists/Go, which is Dovecot's LAYOUT=fs and
// mbsync's SubFolders Verbatim. Names are in modified UTF-7, as Dovecot writes
// them; what file systems take amiss is percent-encoded. Names that differ in
// nothing but case have different directories on any file system. Dovecot shows
// the percent signs, unless % is its escape character (listescape_char, or since
// 2.4 mailbox_list_storage_escape_char).
//
// A message is written in tmp, synced, renamed to new, or to cur if it has
// flags, and the directory is synced: at every moment it is there whole or not
// at all, and it is there for good when Append or Batch.Commit returns. Its name
// holds 128 random bits, and nothing is ever replaced. Files have mode 0600,
// directories 0700, whatever the umask.
//
// # Identity, flags, order
//
// A message's ID is its file name without the flags, and without the UID (",U=7")
// that mbsync writes behind it: it holds over sessions, and other programs that
// rename a file to change flags do not change it. Flags are in the name as Dovecot
// writes them; keywords are the letters a to z by the file dovecot-keywords, 26 in
// each folder. "$Forwarded" is the letter P, but a keyword where Dovecot is in use,
// which does not know P. The date of receipt is the file's time of modification.
// The list is in the order of the times of delivery in the names.
//
// # The index
//
// Listing envelopes means opening every message. So a folder gets a file
// postroom.index with what the headers said. It is never trusted: an entry counts
// if name, size and time agree with the file. It may be removed at any time.
package maildir
