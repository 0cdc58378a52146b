/**
 * The Clock port on Node.js.
 *
 * One `setTimeout` serves all timers, kept in an agenda: Node's own timers come up to a millisecond early
 * and lose the order of timers with different delays that fall due together.
 */
import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "@sixfold/ports";
import { Agenda } from "@sixfold/ports";

/** The longest delay that `setTimeout` takes: 2^31 - 1 ms, 24.8 days. */
const timeoutMaxMs = 2 ** 31 - 1;

export class NodeClock implements Clock {
  readonly #agenda = new Agenda<() => void>();
  #alarm: NodeJS.Timeout | undefined;
  #alarmDue = Infinity;

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, run: () => void): Timer {
    const item = this.#agenda.add(performance.now() + Math.max(0, delayMs), run);
    if (item.due < this.#alarmDue) this.#setAlarm();
    return { cancel: () => this.#cancel(item) };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  #cancel(item: Parameters<Agenda<() => void>["cancel"]>[0]): void {
    this.#agenda.cancel(item);
    // An alarm too early is harmless; but none at all may keep an idle process alive.
    if (this.#agenda.size === 0) this.#setAlarm();
  }

  #setAlarm(): void {
    clearTimeout(this.#alarm);
    const due = this.#agenda.nextDue();
    this.#alarmDue = due ?? Infinity;
    if (due === undefined) return;
    const delay = Math.min(Math.max(0, Math.ceil(due - performance.now())), timeoutMaxMs);
    this.#alarm = setTimeout(() => this.#ring(), delay);
  }

  /** Runs what was due when it rang; a timer set meanwhile, even for now, waits for the next round. */
  #ring(): void {
    const now = performance.now();
    // Not before it is over: timers set by callbacks must not each move the alarm.
    this.#alarmDue = -Infinity;
    try {
      for (let run = this.#agenda.take(now); run !== undefined; run = this.#agenda.take(now)) run();
    } finally {
      this.#setAlarm();
    }
  }
}
