//! A network on paper, drawn: from the plan to an SVG. Pure; `socklab topology picture NAME` prints it,
//! and `docs/topology-tutorial.svg` is that output.
//!
//! A node stands as many columns to the right as it is cables away from the first host, and the nodes of
//! a column stand one below the other. That is enough for a chain and for a star, which is what labs
//! draw; in a network with rings some cables cross.

use std::fmt::Write as _;

use super::plan::{Kind, Node, Plan};

/// Between the middles of two columns, and of two rows; and the room around them. In pixels.
const COLUMN: usize = 190;
const ROW: usize = 150;
const MARGIN: usize = 80;

/// Half the width and height of a node's box.
const HALF: (usize, usize) = (36, 20);

/// Between two lines of text.
const LINE: usize = 15;

/// Draws the network.
pub fn svg(plan: &Plan) -> String {
    let places = places(plan);
    let most = |pick: fn(&(usize, usize)) -> usize| places.iter().map(pick).max().unwrap_or(0);
    let ports = plan.nodes.iter().map(|node| node.interfaces.len()).max().unwrap_or(0);
    let width = most(|place| place.0) + MARGIN;
    let height = most(|place| place.1) + MARGIN + LINE * ports.saturating_sub(2);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n\
         <title>The network {}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <style>.on-top {{ paint-order: stroke; stroke: white; stroke-width: 4px }}</style>\n",
        plan.name
    );
    for link in &plan.links {
        let [(x1, y1), (x2, y2)] = link.ends.map(|(node, _)| places[node]);
        out += &format!("<path d=\"M{x1} {y1}L{x2} {y2}\" stroke=\"black\"/>\n");
        let quality = link.quality.to_string();
        let lines: Vec<&str> = quality.split(", ").collect();
        let (x, y) = ((x1 + x2) / 2, (y1 + y2) / 2 - LINE * lines.len() + LINE / 2);
        text(&mut out, (x, y), &lines);
    }
    for (node, place) in plan.nodes.iter().zip(&places) {
        draw(&mut out, node, *place);
    }
    out + "</svg>\n"
}

/// A box with the node's name, and its interfaces below.
fn draw(out: &mut String, node: &Node, (x, y): (usize, usize)) {
    let (what, colour, corner) = match node.kind {
        Kind::Host => ("host", "#cfe8cf", 4),
        Kind::Router => ("router", "#cfdcf5", HALF.1),
        Kind::Switch => ("switch", "#eeeeee", 0),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{corner}\" fill=\"{colour}\" stroke=\"black\"/>",
        x - HALF.0,
        y - HALF.1,
        2 * HALF.0,
        2 * HALF.1
    );
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{}</text>", y - 2, node.name);
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{}\">{what}</text>", y + 12);
    let ports = node
        .interfaces
        .iter()
        .filter_map(|port| Some(format!("{} {}", port.name.rsplit('-').next()?, port.address?)));
    let ports: Vec<String> = ports.collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    text(out, (x, y + HALF.1 + LINE), &ports);
}

/// Lines of text, the first one at a place, readable across a cable. Nothing in a plan needs escaping
/// in XML.
fn text(out: &mut String, (x, y): (usize, usize), lines: &[&str]) {
    for (number, line) in lines.iter().enumerate() {
        let _ = writeln!(out, "<text class=\"on-top\" x=\"{x}\" y=\"{}\">{line}</text>", y + LINE * number);
    }
}

/// The middle of each node's box.
fn places(plan: &Plan) -> Vec<(usize, usize)> {
    let columns = distances(plan);
    let in_column = |column: usize| columns.iter().filter(|other| **other == column).count();
    let tallest = columns.iter().map(|column| in_column(*column)).max().unwrap_or(1);
    let place = |(number, column): (usize, &usize)| {
        let above = columns[..number].iter().filter(|other| *other == column).count();
        // In half rows, so that a shorter column stands in the middle.
        let half_rows = tallest - in_column(*column) + 2 * above;
        (MARGIN + column * COLUMN, MARGIN + half_rows * ROW / 2)
    };
    columns.iter().enumerate().map(place).collect()
}

/// How many cables each node is away from the first host; one without any cable is beside it.
fn distances(plan: &Plan) -> Vec<usize> {
    let first = plan.nodes.iter().position(|node| node.kind == Kind::Host).unwrap_or(0);
    let mut distances: Vec<Option<usize>> = vec![None; plan.nodes.len()];
    let mut reached = std::collections::VecDeque::from([(first, 0)]);
    while let Some((node, distance)) = reached.pop_front() {
        if distances[node].is_some() {
            continue;
        }
        distances[node] = Some(distance);
        for link in &plan.links {
            let [one, other] = link.ends.map(|(node, _)| node);
            if one == node {
                reached.push_back((other, distance + 1));
            } else if other == node {
                reached.push_back((one, distance + 1));
            }
        }
    }
    distances.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::networks;

    #[test]
    fn the_picture_of_the_page_is_the_one_that_is_drawn() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/topology-tutorial.svg");
        let committed = std::fs::read_to_string(file).unwrap();
        let hint = "make topology ARGS=picture >docs/topology-tutorial.svg";
        assert!(committed == svg(&networks::tutorial()), "{file} is not what is drawn now: {hint}");
    }

    #[test]
    fn a_chain_is_a_line_and_a_star_has_its_middle() {
        let tutorial = networks::tutorial();
        let columns = distances(&tutorial);
        let of = |name: &str| columns[tutorial.nodes.iter().position(|node| node.name == name).unwrap()];
        assert_eq!(["h1", "s1", "h2", "h3", "s2", "h4"].map(of), [0, 1, 2, 3, 4, 5]);
        assert!(places(&tutorial).iter().all(|place| place.1 == MARGIN));
        // r1 in the middle, home to its left, four hosts in a column to its right.
        assert_eq!(distances(&networks::continents()), [1, 0, 2, 2, 2, 2]);
    }
}
