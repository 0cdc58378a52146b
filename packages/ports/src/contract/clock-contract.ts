import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../clock.ts";
import type { Harness } from "./harness.ts";

export interface ClockHarness extends Harness {
  readonly clock: Clock;
}

export function clockContract(name: string, make: () => Promise<ClockHarness>): void {
  describe(`clock contract: ${name}`, () => {
    let harness: ClockHarness;
    let clock: Clock;
    beforeEach(async () => {
      harness = await make();
      clock = harness.clock;
    });
    afterEach(() => harness.close());

    test("a timer fires once, later than the call, not before it is due", async () => {
      const start = clock.nowMs();
      const fired: number[] = [];
      clock.after(5, () => fired.push(clock.nowMs()));
      expect(fired).toEqual([]);
      let later = false;
      clock.after(15, () => (later = true));
      await harness.until(() => later);
      expect(fired).toHaveLength(1);
      expect(fired[0]! - start).toBeGreaterThanOrEqual(5);
    });

    test("timers fire in the order of their due times, then of their creation", async () => {
      const order: string[] = [];
      clock.after(20, () => order.push("20"));
      clock.after(10, () => order.push("10 first"));
      clock.after(10, () => order.push("10 second"));
      clock.after(0, () => order.push("0"));
      await harness.until(() => order.length === 4);
      expect(order).toEqual(["0", "10 first", "10 second", "20"]);
    });

    test("a cancelled timer never fires, and cancelling is idempotent", async () => {
      const fired: string[] = [];
      const timer = clock.after(1, () => fired.push("cancelled"));
      timer.cancel();
      timer.cancel();
      const kept = clock.after(5, () => fired.push("kept"));
      await harness.until(() => fired.length > 0);
      kept.cancel();
      expect(fired).toEqual(["kept"]);
    });

    test("a timer may cancel one that is due at the same time", async () => {
      const fired: string[] = [];
      clock.after(2, () => {
        fired.push("first");
        second.cancel();
      });
      const second = clock.after(2, () => fired.push("second"));
      clock.after(8, () => fired.push("end"));
      await harness.until(() => fired.includes("end"));
      expect(fired).toEqual(["first", "end"]);
    });

    test("soon runs in order, not within the call, and a nested one in a later round", async () => {
      const order: string[] = [];
      clock.soon(() => {
        order.push("a");
        clock.soon(() => order.push("nested"));
      });
      clock.soon(() => order.push("b"));
      expect(order).toEqual([]);
      await harness.until(() => order.length === 3);
      expect(order).toEqual(["a", "b", "nested"]);
    });

    test("now never goes back, and wall time is a Unix time", async () => {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) clock.after(i, () => times.push(clock.nowMs()));
      await harness.until(() => times.length === 5);
      expect([...times].sort((a, b) => a - b)).toEqual(times);
      expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2020, 0));
    });
  });
}
