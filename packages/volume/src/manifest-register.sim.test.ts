import { describe, expect, test } from "vitest";
import { epoch, nodeName, Random, streamId, type Manifest, type NodeName } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { ManifestRegister } from "./manifest-register.ts";
import { Outbox } from "./outbox.ts";
import { DEFAULT_VOLUME_SETTINGS } from "./settings.ts";
import { Ancestry } from "./test-kit/ancestry.ts";
import { FakeSegment } from "./test-kit/fake-segment.ts";
import { GEOMETRY, SERVERS } from "./test-kit/test-cluster.ts";

const FIRST: Manifest = {
  volume: "",
  revision: 0,
  epoch: epoch(1),
  mode: "multi",
  geometry: GEOMETRY,
  servers: SERVERS,
  seats: SERVERS.map((s) => s.name),
  nextSeats: [],
  pgs: [],
  changes: [],
  nextStream: streamId(1),
  streams: [],
  settledThrough: streamId(0),
  outcomes: [],
};

interface Done {
  readonly began: number;
  readonly ended: number;
  readonly change: boolean;
  readonly revision: number;
}

/** Three proposers, one operation each at a time, messages in any order, some lost; six seats that never forget. */
function life(seed: number, lossless = false): { readonly done: Done[]; readonly unfinished: number } {
  const random = new Random(seed);
  const ancestry = new Ancestry();
  const seats = new Map<NodeName, FakeSegment>(
    SERVERS.map((s) => [s.name, new FakeSegment(s.name, ancestry)]),
  );
  const wire: { readonly from: string; readonly to: string; readonly message: StorageMessage }[] = [];
  const done: Done[] = [];
  let clock = 0;
  let now = 0;
  const proposers = ["p1", "p2", "p3"].map((name) => {
    const out = new Outbox();
    for (const s of SERVERS) out.linkUp(s.name);
    const register = new ManifestRegister({
      out,
      seats: SERVERS.map((s) => s.name),
      proposer: name,
      settings: DEFAULT_VOLUME_SETTINGS,
      random: random.fork(name),
      learn: () => {},
    });
    return { name, out, register, busy: false };
  });
  const drain = (): void => {
    for (const p of proposers) {
      for (const e of p.out.effects)
        if (e.kind === "send") wire.push({ from: p.name, to: e.to, message: e.message });
      p.out.effects.length = 0;
    }
  };
  const begin = (p: (typeof proposers)[number]): void => {
    p.busy = true;
    const began = ++clock;
    const isChange = random.chance(0.6);
    const end = (revision: number, change: boolean): void => {
      p.busy = false;
      done.push({ began, ended: ++clock, change, revision });
    };
    if (isChange)
      p.register.change(
        (m) => ({ ...(m ?? FIRST) }),
        (r) => end(r.manifest!.revision, r.changed),
        now,
      );
    else p.register.read((r) => end(r.manifest?.revision ?? 0, false), now);
  };
  for (let i = 0; i < 3000; i++) {
    const stopping = i > 2000;
    if (!stopping && random.chance(0.05)) {
      const p = random.pick(proposers);
      if (!p.busy) begin(p);
    }
    if (random.chance(0.08)) {
      now += 1 + random.int(60);
      for (const p of proposers) p.register.tick(now);
    }
    drain();
    if (wire.length === 0) continue;
    const m = wire.splice(random.int(wire.length), 1)[0]!;
    if (!lossless && !stopping && random.chance(0.1)) continue;
    const seat = seats.get(nodeName(m.to));
    if (seat !== undefined)
      for (const r of seat.receive(m.from, m.message))
        wire.push({ from: m.to, to: r.to, message: r.message });
    else {
      const p = proposers.find((x) => x.name === m.to)!;
      if (m.message.type === "manifestPromise") p.register.onPromise(m.from as NodeName, m.message, now);
      else if (m.message.type === "manifestAccepted")
        p.register.onAccepted(m.from as NodeName, m.message, now);
    }
  }
  return { done, unfinished: proposers.filter((p) => p.busy).length };
}

describe("the manifest register", () => {
  test("is linearizable under loss and reordering with three proposers", () => {
    let changes = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { done, unfinished } = life(seed);
      expect({ seed, unfinished }).toEqual({ seed, unfinished: 0 });
      const made = done.filter((d) => d.change).map((d) => d.revision);
      expect(new Set(made).size, `seed ${seed}: no revision is made twice`).toBe(made.length);
      changes += made.length;
      for (const a of done)
        for (const b of done) {
          if (a.ended >= b.began) continue;
          const inOrder = b.change ? b.revision > a.revision : b.revision >= a.revision;
          expect(
            inOrder,
            `seed ${seed}: revision ${a.revision} was seen before ${b.revision} was asked for`,
          ).toBe(true);
        }
    }
    expect(changes).toBeGreaterThan(300);
  });
});
