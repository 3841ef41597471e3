//! Chat: two people in turns, as the sheet asks, and then a room for many. Read in this order.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`server`] | `chat-server` | B3, lab task | read, print, keyboard, send; a thread per client |
//! | [`client`] | `chat-client` | B3, lab task | keyboard, send, read, print |
//! | [`wire`] | both | | a line out within a time; peers that vanish; an orderly close |
//! | [`desk`] | `chat-server` | | one keyboard for all conversations, in turn |
//! | [`room_client`] | `chat-client --room` | | sending and receiving at once |
//! | [`room`] | `chat-room` | | one member's thread: socket and outbox in one `poll` |
//! | [`members`] | | | who is in the room, and who gets which line |
//! | [`outbox`] | | | the bounded queue of one member |
//! | [`phrase`] | | | commands, names and text, without any I/O |
//! | [`pace`] | | | how fast a member may speak |
//! | [`log`] | | | the room's transcript, which holds up nobody |

pub mod client;
pub mod desk;
pub mod log;
pub mod members;
pub mod outbox;
pub mod pace;
pub mod phrase;
pub mod room;
pub mod room_client;
pub mod server;
pub mod wire;
