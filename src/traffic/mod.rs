//! Traffic analysis: what a capture by tcpdump holds, flow by flow and layer by layer. Read the files in
//! this order.
//!
//! | file | what it does |
//! |---|---|
//! | [`program`] | `traffic FILE.pcap` (IoT lab, the deliverable's analysis of the traffic) |
//! | [`packet`] | one packet: how many of its bytes belong to which layer |
//! | [`flow`] | packets of one conversation, summed up |
//! | [`segments`] | TCP: handshake, acknowledgements, close, retransmissions |
//! | [`ethernet`] | what the same packets would take on a real Ethernet |
//! | [`report`], [`diagram`] | the table, the sequence diagram |
//! | [`pcap`] | the file format |

pub mod diagram;
pub mod ethernet;
pub mod flow;
pub mod packet;
pub mod pcap;
pub mod program;
pub mod report;
pub mod segments;
