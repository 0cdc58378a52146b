/** The schedule against a plain sorted list. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Schedule } from "./schedule.ts";
import type { WorldEvent } from "./timeline.ts";

type Step =
  | { readonly kind: "add"; readonly inMs: number }
  | { readonly kind: "cancel"; readonly nth: number }
  | { readonly kind: "take"; readonly forMs: number }
  | { readonly kind: "pass" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), inMs: fc.integer({ min: -2, max: 4 }) }),
  fc.record({ kind: fc.constant("cancel" as const), nth: fc.nat(20) }),
  fc.record({ kind: fc.constant("take" as const), forMs: fc.integer({ min: -1, max: 5 }) }),
  fc.record({ kind: fc.constant("pass" as const) }),
);

interface Entry {
  readonly due: number;
  readonly name: number;
}

describe("schedule", () => {
  test("takes by due time, then by order of entry, also what the present instant brings", () => {
    const run = (steps: readonly Step[]): void => {
      const schedule = new Schedule();
      const items: ReturnType<Schedule["add"]>[] = [];
      let list: Entry[] = [];
      let now = 0;
      for (const what of steps) {
        const first = [...list].sort((a, b) => a.due - b.due || a.name - b.name)[0];
        if (what.kind === "add") {
          const name = items.length;
          const event: WorldEvent = { owner: undefined, kind: "x", detail: name, run: () => {} };
          items.push(schedule.add(now + what.inMs, event));
          list.push({ due: Math.max(now, now + what.inMs), name });
        } else if (what.kind === "cancel") {
          const item = items[what.nth];
          if (item !== undefined) schedule.cancel(item);
          list = list.filter((entry) => entry.name !== what.nth);
        } else if (what.kind === "take") {
          const isDue = first !== undefined && first.due <= now + what.forMs;
          const taken = schedule.take(now + what.forMs);
          expect(taken?.detail).toBe(isDue ? first.name : undefined);
          if (!isDue) continue;
          now = first.due;
          list = list.filter((entry) => entry !== first);
        } else {
          const ms = first === undefined ? now + 1 : Math.max(now, first.due - 1);
          schedule.passTo(ms);
          now = ms;
        }
        expect(schedule.nowMs).toBe(now);
        expect(schedule.nextDue()).toBe(list.length === 0 ? undefined : Math.min(...list.map((e) => e.due)));
      }
    };
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), run), { numRuns: 2000 });
  });
});
