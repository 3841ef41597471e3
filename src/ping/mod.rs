//! Is anybody there, and how far away? Five answers to one idea: send something that comes back.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`udp_server`] | `udp-ping-server` | CSE3214, assignment 2 | a reply, and loss on purpose |
//! | [`udp_client`] | `udp-ping-client` | assignment 2, option 1 | a deadline for each ping, statistics |
//! | [`udp_message`] | both | | which ping a reply belongs to, if any |
//! | [`udp_faults`] | `udp-ping-server --delay --reorder` | | replies that are late or out of order |
//! | [`heartbeat_client`], [`heartbeat_server`] | the same names | option 2 | one way; lost, late, stopped |
//! | [`heartbeat_table`] | `heartbeat-server` | | what is known about each client |
//! | [`icmp_packet`] | `ping`, `trace` | assignment 4 | the headers, byte by byte |
//! | [`icmp_names`] | | option 2 | what the error codes mean |
//! | [`icmp_pings`] | | | which request a reply belongs to |
//! | [`icmp_link`] | | | the socket: raw, or the kernel's ping socket |
//! | [`icmp_ping`] | `ping` | assignment 4, options 1 and 2 | one a second, statistics, errors by name |
//! | [`icmp_lines`] | | | what is shown, line for line as iputils does |
//! | [`icmp_flood`] | `ping -f` | | as fast as replies come |
//! | [`trace`], [`trace_udp`] | `trace` | | the same errors, provoked router by router |

pub mod heartbeat_client;
pub mod heartbeat_server;
pub mod heartbeat_table;
pub mod icmp_flood;
pub mod icmp_lines;
pub mod icmp_link;
pub mod icmp_names;
pub mod icmp_packet;
pub mod icmp_ping;
pub mod icmp_pings;
pub mod trace;
pub mod trace_udp;
pub mod udp_client;
pub mod udp_faults;
pub mod udp_message;
pub mod udp_server;
