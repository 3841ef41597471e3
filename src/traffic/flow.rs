//! Packets of one conversation, summed up. Pure.

use std::collections::HashMap;

use super::diagram::Event;
use super::packet::{End, Packet, Protocol};
use super::segments::{Judgement, Order, Role, Segments};
use super::{ethernet, packet::flags};

/// How many flows are told apart; packets of further ones are counted together.
const MOST_FLOWS: usize = 100_000;

/// How many fragmented packets are remembered, so that their later fragments find their flow.
const MOST_FRAGMENTED: usize = 4096;

/// Packets and their bytes by layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many packets.
    pub packets: u64,
    /// Bytes that the application sent.
    pub application: u64,
    /// Bytes of TCP, UDP or ICMP headers.
    pub transport: u64,
    /// Bytes of IP headers.
    pub network: u64,
    /// Bytes of the link, as captured.
    pub link: u64,
    /// Frames on a real Ethernet, and all their bytes.
    pub ethernet: (u64, u64),
}

impl Sum {
    /// All bytes of the capture.
    pub fn all(&self) -> u64 {
        self.application + self.transport + self.network + self.link
    }

    /// Adds a packet.
    fn add(&mut self, packet: &Packet) {
        let (frames, bytes) = ethernet::cost(packet);
        self.packets += 1;
        self.application += packet.application;
        self.transport += packet.transport;
        self.network += packet.network;
        self.link += packet.link;
        self.ethernet = (self.ethernet.0 + frames, self.ethernet.1 + bytes);
    }

    /// Adds another sum.
    pub fn join(&mut self, other: &Sum) {
        self.packets += other.packets;
        self.application += other.application;
        self.transport += other.transport;
        self.network += other.network;
        self.link += other.link;
        self.ethernet = (self.ethernet.0 + other.ethernet.0, self.ethernet.1 + other.ethernet.1);
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Flow {
    /// What is above IP.
    pub protocol: Protocol,
    /// The side that sent first, and the other.
    pub ends: [End; 2],
    /// By direction: from the first side, from the other.
    pub sums: [Sum; 2],
    /// Packets and bytes by role, for TCP: handshake, data, acknowledgement, close.
    pub roles: [(u64, u64); 4],
    /// Segments sent again, as Wireshark judges.
    pub retransmissions: u64,
    /// Segments overtaken, as Wireshark judges.
    pub out_of_order: u64,
    /// Those of both whose bytes had all passed before.
    pub repeated: u64,
    /// The connection's state, for TCP.
    pub segments: Segments,
    /// Its first packets, if a diagram is wanted.
    pub events: Vec<Event>,
    /// When the first and the last packet passed, in nanoseconds.
    pub time: (u64, u64),
}

/// All conversations of a capture.
#[derive(Debug, Default)]
pub struct Flows {
    /// In the order of their first packets.
    pub list: Vec<Flow>,
    /// Packets of flows beyond the most that are told apart.
    pub beyond: Sum,
    remember: usize,
    places: HashMap<(Protocol, End, End), usize>,
    fragmented: HashMap<(End, End, u32), (u16, u16)>,
}

impl Flows {
    /// No flows yet; the first `remember` packets of each will be kept for a diagram.
    pub fn new(remember: usize) -> Flows {
        Flows { remember, ..Flows::default() }
    }

    /// Takes the next packet of a capture.
    pub fn take(&mut self, time: u64, mut packet: Packet) {
        self.find_ports(&mut packet);
        let Some(place) = self.place(time, &packet) else { return self.beyond.add(&packet) };
        let flow = &mut self.list[place];
        let side = usize::from((packet.from, packet.to) != (flow.ends[0], flow.ends[1]));
        flow.sums[side].add(&packet);
        flow.time.1 = time;
        let mut order = Order::InOrder;
        if let Some(segment) = packet.segment {
            let Judgement { role, order: how, repeated } =
                flow.segments.take(side, time, segment, packet.application);
            let bytes = packet.application + packet.transport + packet.network + packet.link;
            let sum = &mut flow.roles[role as usize];
            *sum = (sum.0 + 1, sum.1 + bytes);
            flow.retransmissions += u64::from(how == Order::Retransmission);
            flow.out_of_order += u64::from(how == Order::OutOfOrder);
            flow.repeated += u64::from(repeated);
            order = how;
        }
        if flow.events.len() < self.remember {
            flow.events.push(Event::new(side, time - flow.time.0.min(time), &packet, order, &flow.segments));
        }
    }

    /// Where the packet's flow is; a new one if need be. `None`: there are too many.
    fn place(&mut self, time: u64, packet: &Packet) -> Option<usize> {
        let (from, to) = (packet.from, packet.to);
        // Both directions have one key.
        let key = (packet.protocol, from.min(to), from.max(to));
        if let Some(&place) = self.places.get(&key) {
            let opening = |segment| segment & (flags::SYN | flags::ACK) == flags::SYN;
            let another = packet.segment.is_some_and(|segment| {
                opening(segment.flags) && self.list[place].segments.is_another(segment.seq)
            });
            if !another {
                return Some(place);
            }
        }
        if self.list.len() >= MOST_FLOWS {
            return None;
        }
        self.list.push(Flow {
            protocol: packet.protocol,
            ends: [from, to],
            sums: Default::default(),
            roles: Default::default(),
            retransmissions: 0,
            out_of_order: 0,
            repeated: 0,
            segments: Segments::default(),
            events: Vec::new(),
            time: (time, time),
        });
        self.places.insert(key, self.list.len() - 1);
        Some(self.list.len() - 1)
    }

    /// Gives a later fragment the ports that only the first one has.
    fn find_ports(&mut self, packet: &mut Packet) {
        let Some(fragment) = packet.fragment else { return };
        let key = ((packet.from.0, 0), (packet.to.0, 0), fragment.id);
        if fragment.first {
            if self.fragmented.len() >= MOST_FRAGMENTED {
                self.fragmented.clear();
            }
            self.fragmented.insert(key, (packet.from.1, packet.to.1));
        } else if let Some(&(from, to)) = self.fragmented.get(&key) {
            (packet.from.1, packet.to.1) = (from, to);
        }
    }
}

/// The four roles, as the report calls them.
pub const ROLES: [(Role, &str); 4] = [
    (Role::Handshake, "handshake"),
    (Role::Data, "data"),
    (Role::Acknowledgement, "acknowledgements alone"),
    (Role::Close, "close"),
];
