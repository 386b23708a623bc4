//! Plots on the page.

use apo_plots::Svg;
use maud::{Markup, PreEscaped, html};

/// Shows a plot with its caption.
pub fn figure(svg: &Svg, caption: &str) -> Markup {
    html! {
        figure {
            (PreEscaped(svg.inside()))
            figcaption { (caption) }
        }
    }
}

/// Shows plots side by side, with one caption for all.
pub fn plots_of(all: &[Svg], caption: &str) -> Markup {
    html! {
        @if !all.is_empty() {
            figure {
                div.plots { @for svg in all { div { (PreEscaped(svg.inside())) } } }
                figcaption { (caption) }
            }
        }
    }
}
