/** One turn for all that came in; alarms that lead to the next. */
import type { Clock, Timer } from "@sixfold/ports";
import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

/** Time and rounds in the test's hand. */
class HandClock implements Clock {
  now = 0;
  readonly alarms: { readonly at: number; readonly run: () => void }[] = [];
  private round: (() => void)[] = [];

  nowMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now;
  }

  after(delayMs: number, run: () => void): Timer {
    this.alarms.push({ at: this.now + delayMs, run });
    return { cancel: () => undefined };
  }

  soon(run: () => void): void {
    this.round.push(run);
  }

  /** Runs what was wanted soon; what that wants comes in the next round. */
  turn(): void {
    for (const run of this.round.splice(0)) run();
  }
}

test("what comes in before a turn shares it", () => {
  const clock = new HandClock();
  let runs = 0;
  const turns = new Turns(clock, () => void runs++);
  turns.soon();
  turns.soon();
  expect(runs).toBe(0);
  clock.turn();
  clock.turn();
  expect(runs).toBe(1);
  turns.soon();
  clock.turn();
  expect(runs).toBe(2);
  expect(clock.alarms).toEqual([]);
});

test("what is due at once has the next round", () => {
  const clock = new HandClock();
  let runs = 0;
  const turns = new Turns(clock, () => (++runs < 3 ? clock.now : undefined));
  turns.soon();
  for (let i = 0; i < 5; i++) clock.turn();
  expect(runs).toBe(3);
  expect(clock.alarms).toEqual([]);
});

test("there is one alarm, and the earlier leads to the later", () => {
  const clock = new HandClock();
  let dueAt: number | undefined = 5;
  let runs = 0;
  const turns = new Turns(clock, () => {
    runs++;
    return dueAt;
  });
  turns.soon();
  clock.turn();
  dueAt = 8;
  turns.soon();
  clock.turn();
  expect(clock.alarms.map((a) => a.at)).toEqual([5]);

  clock.now = 5;
  clock.alarms.shift()!.run();
  clock.turn();
  expect(runs).toBe(3);
  expect(clock.alarms.map((a) => a.at)).toEqual([8]);

  clock.now = 8;
  dueAt = undefined;
  clock.alarms.shift()!.run();
  clock.turn();
  expect(runs).toBe(4);
  expect(clock.alarms).toEqual([]);
});
