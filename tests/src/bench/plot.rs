//! Cost against size as an SVG that reads on light and on dark ground.

use std::fmt::Write as _;

use crate::findings::{Findings, Key, short};

/// Of the area that is drawn in.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;

/// Text and grid: middle grey stands out from white and from black.
const GREY: &str = "#808080";

/// A line of the plot: variant, case, name, colour, dashed.
type Curve = (&'static str, &'static str, &'static str, &'static str, bool);

const CURVES: [Curve; 6] = [
    ("lpm", "near-miss", "LPM trie, near miss", "#c0504d", true),
    ("lpm", "hit-source", "LPM trie, hit", "#c0504d", false),
    ("lpm", "far-miss", "LPM trie, far miss", "#e08a4f", false),
    ("firewall", "hit-source", "firewall, hit", "#3a7ca5", false),
    (
        "firewall",
        "near-miss",
        "firewall, near miss",
        "#3a7ca5",
        true,
    ),
    (
        "firewall",
        "far-miss",
        "firewall, far miss",
        "#4a9a5b",
        false,
    ),
];

/// Both axes are logarithmic.
struct Axes {
    sizes: (f64, f64),
    costs: (f64, f64),
}

impl Axes {
    fn x(&self, size: f64) -> f64 {
        LEFT + WIDTH * part(size, self.sizes)
    }

    fn y(&self, cost: f64) -> f64 {
        TOP + HEIGHT * (1.0 - part(cost, self.costs))
    }
}

/// Where between the ends, 0 to 1.
fn part(value: f64, (low, high): (f64, f64)) -> f64 {
    (value.ln() - low.ln()) / (high.ln() - low.ln())
}

/// What packets of one family cost, cold, over the sizes of clustered lists. `None` with fewer than
/// two sizes.
pub fn draw(findings: Findings, family: u8) -> Option<String> {
    let sizes: Vec<u64> = findings
        .values("packet", "size")
        .iter()
        .filter_map(|size| size.as_u64())
        .filter(|&size| added(findings, family, size, &CURVES[3]).is_some())
        .collect();
    let axes = Axes {
        sizes: (*sizes.iter().min()? as f64, *sizes.iter().max()? as f64),
        costs: (5.0, 10_000.0),
    };
    if sizes.len() < 2 {
        return None;
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"{GREY}\">\n<title>IPv{family}: nanoseconds that a lookup of both \
         addresses adds to a packet, by entries of the list</title>\n<text x=\"{LEFT}\" y=\"20\" \
         font-size=\"14\">IPv{family}, clustered, cold caches: ns added to a packet, by \
         entries</text>\n",
        LEFT + WIDTH + 170.0,
        TOP + HEIGHT + 40.0
    );
    grid(&mut svg, &axes, &sizes);
    for (place, curve) in CURVES.iter().enumerate() {
        let points: Vec<(f64, f64)> = sizes
            .iter()
            .filter_map(|&size| Some((size as f64, added(findings, family, size, curve)?)))
            .map(|(size, cost)| (axes.x(size), axes.y(cost.max(axes.costs.0))))
            .collect();
        line(&mut svg, curve, &points);
        legend(&mut svg, curve, TOP + 20.0 * place as f64);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn added(findings: Findings, family: u8, size: u64, curve: &Curve) -> Option<f64> {
    let key = Key {
        family,
        size,
        set: "clustered",
        case: curve.1,
        cache: "cold",
    };
    findings.packet(curve.0, key, "added_ns")
}

fn grid(svg: &mut String, axes: &Axes, sizes: &[u64]) {
    for cost in [
        5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4,
    ] {
        let y = axes.y(cost);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/><text \
             x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{cost}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for &size in sizes {
        let x = axes.x(size as f64);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}v{HEIGHT}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/><text \
             x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            TOP + HEIGHT + 20.0,
            short(size)
        );
    }
}

fn dashes(curve: &Curve) -> &'static str {
    if curve.4 {
        " stroke-dasharray=\"6 4\""
    } else {
        ""
    }
}

fn line(svg: &mut String, curve: &Curve, points: &[(f64, f64)]) {
    let (colour, dashes) = (curve.3, dashes(curve));
    let path: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
        path.join(" ")
    );
    for (x, y) in points {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
        );
    }
}

fn legend(svg: &mut String, curve: &Curve, y: f64) {
    let x = LEFT + WIDTH + 12.0;
    let (colour, dashes, name) = (curve.3, dashes(curve), curve.2);
    let _ = writeln!(
        svg,
        "<path d=\"M{x} {y}h24\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/><text x=\"{}\" \
         y=\"{}\">{name}</text>",
        x + 30.0,
        y + 4.0
    );
}
