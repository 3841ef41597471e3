//! Echo: what comes in goes out again. The first room; read the files in this order.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`once`] | `echo-server --once` | IoT lab, TCP echo | bind, listen, accept, read, write |
//! | [`server`] | `echo-server` | | a thread per client |
//! | [`client`] | `echo-client` | IoT lab, TCP echo | connect, write, read until all is back |
//! | [`stream`] | `echo-client … -` | | both directions at once, any size |
//! | [`udp_receiver`], [`udp_sender`] | the same names | IoT lab, task 1.2 | datagrams, one way |
//! | [`udp_server`], [`udp_client`] | `udp-echo-…` | IoT lab, task 1.3 | datagrams, there and back |
//! | [`concurrent_server`], [`concurrent_client`] | the same names | IoT lab, task 1.5 | many conversations |
//! | [`stamp_server`], [`stamp_client`] | the same names | SCC.231, tasks 1 to 3 | time stamps; one thread by readiness |
//! | [`reply`] | both clients above | | a reply without a frame |

pub mod client;
pub mod concurrent_client;
pub mod concurrent_server;
pub mod once;
pub mod reply;
pub mod server;
pub mod stamp_client;
pub mod stamp_server;
pub mod stream;
pub mod udp_client;
pub mod udp_receiver;
pub mod udp_sender;
pub mod udp_server;
