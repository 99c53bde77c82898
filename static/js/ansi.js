// A line's ANSI colours as classes, the same ones as the server's (see css/log.css).
import { AnsiUp } from "../vendor/js/ansi_up.js";

const MAX_CHARS = 20_000;

class ClassesOnly extends AnsiUp {
  // The original writes style="" for bold and for 256 colours; the policy forbids that.
  transform_to_html(part) {
    const text = this.escape_txt_for_html(part.text);
    const names = [];
    if (part.bold) names.push("ansi1");
    if (part.faint) names.push("ansi2");
    if (part.italic) names.push("ansi3");
    if (part.underline) names.push("ansi4");
    const fg = this.colour(part.fg, 30);
    const bg = this.colour(part.bg, 40);
    if (fg) names.push(fg);
    if (bg) names.push(bg);
    return names.length ? `<span class="${names.join(" ")}">${text}</span>` : text;
  }

  colour(wanted, base) {
    const plain = this.ansi_colors[0].indexOf(wanted);
    if (plain >= 0) return `ansi${base + plain}`;
    const bright = this.ansi_colors[1].indexOf(wanted);
    return bright >= 0 ? `ansi${base + 60 + bright}` : "";
  }

  // A link that a program printed is shown as its text.
  process_hyperlink(part) {
    return this.transform_to_html(this.with_state(part));
  }
}

/** Return a line's HTML. Colours end with their line. */
export function lineHtml(text, cutMark) {
  const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
  let shown = whole;
  if (whole.length > MAX_CHARS) {
    const mark = cutMark.replace("{n}", whole.length - MAX_CHARS);
    shown = `${whole.slice(0, MAX_CHARS)}\x1b[0m … ${mark}`;
  }
  return new ClassesOnly().ansi_to_html(shown);
}
