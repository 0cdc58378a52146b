/** Tables without rules: blanks between columns, the head in bold where the terminal has it. */
import Table from "cli-table3";
import type { Colors } from "./console-output.ts";

export const PLAIN_TABLE = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ",
};

/** `numbers`: the columns aligned to the right. */
export function makePlainTable(head: readonly string[], colors: Colors, numbers: readonly string[] = []) {
  return new Table({
    head: head.map((name) => colors.bold(name)),
    colAligns: head.map((name) => (numbers.includes(name) ? "right" : "left")),
    // Colours are the caller's: the library would send its own into pipes.
    style: { head: [], border: [], compact: true },
    chars: PLAIN_TABLE,
  });
}
