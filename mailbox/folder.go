package mailbox

// Folder is a named container of messages; the IMAP RFCs call it a mailbox.
type Folder struct {
	// Name is what other calls take. It is UTF-8; where a server's name could
	// not be decoded it is the octets as the server sent them, and Defects
	// says so.
	Name string
	// Delimiter separates the levels of Name; empty if there are none.
	Delimiter string
	// Role is what the folder is for; RoleSource is why we think so.
	Role       Role
	RoleSource RoleSource
	// NoSelect: the folder only holds other folders; List gives ErrNotFound.
	NoSelect bool
	// Attributes are the server's own words, such as `\HasChildren`.
	Attributes []string
	// Status is filled if FoldersOptions.Status asked for it and the server
	// told; else nil.
	Status *FolderStatus
	// Defects tells what could not be read as it should.
	Defects []Defect
}

// FolderStatus counts what a folder holds.
type FolderStatus struct {
	// Messages is how many there are, Unseen how many of them lack \Seen; -1
	// if the server did not say.
	Messages, Unseen int64
	// Epoch is the epoch of the folder's IDs.
	Epoch string
	// State tells states of the folder apart: while it stays the same no
	// message has come or gone, in this session or another. Where the server
	// counts changes of flags (IMAP's CONDSTORE, RFC 7162) those change it as
	// well. It has no order, and is empty if the server did not say enough.
	State string
}

// Role is what a folder is for (RFC 6154, RFC 8457).
type Role string

// The roles. A folder without one has "".
const (
	RoleInbox     Role = "inbox"
	RoleAll       Role = "all"
	RoleArchive   Role = "archive"
	RoleDrafts    Role = "drafts"
	RoleFlagged   Role = "flagged"
	RoleImportant Role = "important"
	RoleJunk      Role = "junk"
	RoleSent      Role = "sent"
	RoleTrash     Role = "trash"
)

// RoleSource is why a folder is believed to have its role. Only one folder of a
// mailbox has a role by RoleByName, and only if none has it by the server's
// word.
type RoleSource string

// The reasons, the surest first.
const (
	RoleByProtocol  RoleSource = "protocol"    // INBOX
	RoleByAttribute RoleSource = "special-use" // RFC 6154
	RoleByXList     RoleSource = "xlist"       // the older attributes of Gmail's XLIST
	RoleByName      RoleSource = "name"        // a well-known name, perhaps a localised one
)
