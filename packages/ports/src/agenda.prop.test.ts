import fc from "fast-check";
import { expect, test } from "vitest";
import type { AgendaItem } from "./agenda.ts";
import { Agenda } from "./agenda.ts";

/** The rule, dumbly: a list, sorted whole each time (sorting is stable, so equal times keep their order of entry). */
class ListAgenda {
  items: { due: number; what: number }[] = [];
  take(now: number): number | undefined {
    const first = [...this.items].sort((a, b) => a.due - b.due)[0];
    if (first === undefined || first.due > now) return undefined;
    this.items.splice(this.items.indexOf(first), 1);
    return first.what;
  }
}

test("an agenda gives what a sorted list gives, cancellations included", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ cancel: fc.nat(500) }) },
    { weight: 1, arbitrary: fc.record({ take: fc.nat(20) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const agenda = new Agenda<number>();
      const list = new ListAgenda();
      const given: AgendaItem<number>[] = [];
      for (const now of steps) {
        if ("add" in now) {
          list.items.push({ due: now.add, what: given.length });
          given.push(agenda.add(now.add, given.length));
        } else if ("cancel" in now) {
          const item = given[now.cancel];
          if (item === undefined) continue;
          agenda.cancel(item);
          list.items = list.items.filter((other) => other.what !== now.cancel);
        } else {
          expect(agenda.take(now.take)).toBe(list.take(now.take));
        }
        expect(agenda.size).toBe(list.items.length);
      }
      while (list.items.length > 0) expect(agenda.take(Infinity)).toBe(list.take(Infinity));
      expect(agenda.nextDue()).toBeUndefined();
    }),
  );
});
