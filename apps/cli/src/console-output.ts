/**
 * Where a command's words go. Results are on stdout: for people, or one JSON object a line. Progress is on
 * stderr, one line that rewrites itself, and only if that is a terminal.
 */
import { createColors } from "picocolors";
import type { Platform } from "./platform.ts";

export type Colors = ReturnType<typeof createColors>;

export class ConsoleOutput {
  readonly json: boolean;
  readonly colors: Colors;
  private readonly platform: Platform;
  private progressShown = false;

  constructor(platform: Platform, json: boolean) {
    this.platform = platform;
    this.json = json;
    const { NO_COLOR: no } = platform.environment;
    this.colors = createColors(platform.stdout.isTTY && !json && (no === undefined || no === ""));
  }

  /** A result for programs; nothing without `--json`. */
  object(object: object): void {
    if (this.json) this.print(JSON.stringify(object));
  }

  /** A result for people; nothing with `--json`. */
  text(text: string): void {
    if (!this.json) this.print(text);
  }

  /** A line on stdout in either case. */
  print(line: string): void {
    this.clearProgress();
    this.platform.stdout.write(`${line}\n`);
  }

  /** Something the user should know that is no result. */
  note(text: string): void {
    this.clearProgress();
    this.platform.stderr.write(`${text}\n`);
  }

  /** What is going on just now. */
  progress(text: string): void {
    if (!this.platform.stderr.isTTY) return;
    this.platform.stderr.write(`\r\u001b[K${text}`);
    this.progressShown = true;
  }

  clearProgress(): void {
    if (!this.progressShown) return;
    this.platform.stderr.write("\r\u001b[K");
    this.progressShown = false;
  }
}
