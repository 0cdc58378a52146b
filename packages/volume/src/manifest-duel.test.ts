/** Many proposers at once: a crowd of nodes that all want to be listed, on seats that take their time. */
import { Random, type NodeName } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { expect, test } from "vitest";
import { ManifestRegister } from "./manifest-register.ts";
import { Outbox } from "./outbox.ts";
import { DEFAULT_VOLUME_SETTINGS } from "./settings.ts";
import { FakeSeat } from "./test-kit/fake-seat.ts";
import { firstManifest, MANY_SERVERS } from "./test-kit/register-life.ts";

const TICK_MS = 10;

interface Flight {
  readonly at: number;
  readonly to: NodeName | ManifestRegister;
  readonly from: NodeName | ManifestRegister;
  readonly message: StorageMessage;
}

/** `proposers` make a change each; a seat takes `serveMs` for each message, one after the other. When the last of them was done. */
function crowd(
  proposers: number,
  serveMs: number,
  limitMs: number,
): { readonly done: number; readonly ms: number } {
  const seats = new Map(MANY_SERVERS.map(({ name }) => [name, { seat: new FakeSeat(), busyUntil: 0 }]));
  let flights: Flight[] = [];
  let done = 0;
  const all = Array.from({ length: proposers }, (_, i) => {
    const out = new Outbox();
    for (const { name } of MANY_SERVERS) out.linkUp(name);
    const register = new ManifestRegister({
      ...{ out, bootstrap: MANY_SERVERS, proposer: `p${i}`, settings: DEFAULT_VOLUME_SETTINGS },
      ...{ random: new Random(i), learn: () => undefined },
    });
    register.change(
      (m) => ({
        ...(m ?? firstManifest(MANY_SERVERS, register.firstSeats)),
        volume: `${m?.volume ?? ""} p${i}`,
      }),
      () => void done++,
      0,
    );
    return { out, register };
  });
  for (let now = 0; now < limitMs; now++) {
    for (const { out, register } of all) {
      if (now % TICK_MS === 0) register.tick(now);
      for (const effect of out.effects.splice(0)) {
        if (effect.kind !== "send") continue;
        const seat = seats.get(effect.to)!;
        seat.busyUntil = Math.max(seat.busyUntil, now) + serveMs;
        flights.push({ at: seat.busyUntil, to: effect.to, from: register, message: effect.message });
      }
    }
    const due = flights.filter(({ at }) => at <= now);
    flights = flights.filter(({ at }) => at > now);
    for (const { to, from, message } of due) {
      if (to instanceof ManifestRegister) {
        if (message.type === "manifestPromise") to.onPromise(from as NodeName, message, now);
        else if (message.type === "manifestAccepted") to.onAccepted(from as NodeName, message, now);
        continue;
      }
      const answer = seats.get(to)!.seat.answer(message)!;
      flights.push({ at: now, to: from, from: to, message: answer });
    }
    if (done === proposers) return { done, ms: now };
  }
  return { done, ms: limitMs };
}

test("a few proposers on quick seats are done in a moment", () => {
  expect(crowd(3, 1, 5000)).toMatchObject({ done: 3 });
  expect(crowd(3, 1, 5000).ms).toBeLessThan(300);
});

test("nineteen on slow seats give way to each other, and all are done", () => {
  const { done, ms } = crowd(19, 15, 60_000);
  expect(done).toBe(19);
  expect(ms).toBeLessThan(20_000);
});
