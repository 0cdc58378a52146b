/** What a process says of itself: log lines and counters, collected behind one small face. */

export type Level = "info" | "warn" | "error";

export interface LogSink {
  (level: Level, event: string, fields: Readonly<Record<string, unknown>>): void;
}

export class Journal {
  private readonly sink: LogSink;
  private readonly counters = new Map<string, number>();

  constructor(sink: LogSink) {
    this.sink = sink;
  }

  say(level: Level, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.sink(level, event, fields);
  }

  count(counter: string, by = 1): void {
    this.counters.set(counter, (this.counters.get(counter) ?? 0) + by);
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.counters);
  }
}
