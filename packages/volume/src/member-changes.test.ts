/** Replacing a segment server by a compare-and-set whose answer was lost (DESIGN section 7, "Membership"). */
import { epoch, nodeName, Random, streamId, type Manifest, type NodeName } from "@sixfold/model";
import { expect, test } from "vitest";
import { ManifestRegister } from "./manifest-register.ts";
import { MemberChanges } from "./member-changes.ts";
import { Outbox } from "./outbox.ts";
import { DEFAULT_VOLUME_SETTINGS as settings } from "./settings.ts";
import { FakeSeat } from "./test-kit/fake-seat.ts";
import { GEOMETRY } from "./test-kit/test-cluster.ts";
import type { ReplaceAnswer } from "./volume-api.ts";

const NAMES = ["a1", "a2", "b1", "b2", "c1", "c2", "a3"].map(nodeName);
const SERVERS = NAMES.map((name) => ({ name, az: name.slice(0, 1), url: "ws://x" }));
const SIX = NAMES.slice(0, 6);
const FIRST: Manifest = {
  ...{ volume: "v", revision: 0, epoch: epoch(1), mode: "multi", nextMode: "multi", geometry: GEOMETRY },
  ...{ servers: SERVERS, nodes: [], seats: SIX, nextSeats: [], pgs: [SIX], changes: [], streams: [] },
  ...{ nextStream: streamId(1), settledThrough: streamId(0), outcomes: [] },
};

test("a replacement that was chosen in a round that seemed lost is told as begun, not as being in its own way", () => {
  const out = new Outbox();
  const seats = new Map(NAMES.map((name) => [name, new FakeSeat()]));
  const register = new ManifestRegister({
    ...{ out, bootstrap: SERVERS, proposer: "w1/1", settings, random: new Random(1), learn: () => {} },
  });
  const isHeld = (): boolean => true;
  const members = new MemberChanges({ out, settings, register, servers: SERVERS, isHeld });
  for (const name of NAMES) out.linkUp(name);
  /** Delivers everything; `isDeaf`: accepted values are not heard of. */
  const pump = (now: number, isDeaf = false): void => {
    for (let e = out.effects.shift(); e !== undefined; e = out.effects.shift()) {
      if (e.kind !== "send") continue;
      const answer = seats.get(e.to)!.answer(e.message);
      if (answer?.type === "manifestPromise") register.onPromise(e.to, answer, now);
      else if (answer?.type === "manifestAccepted" && !isDeaf) register.onAccepted(e.to, answer, now);
    }
  };
  register.change(
    () => FIRST,
    () => {},
    0,
  );
  pump(0);
  let answer: ReplaceAnswer | undefined;
  const leaving: NodeName = NAMES[0]!;
  members.replace(leaving, undefined, (told) => (answer = told), 1);
  pump(1, true);
  expect(answer).toBeUndefined();
  for (let now = 2; answer === undefined && now < 10_000; now += 100) {
    register.tick(now);
    pump(now);
  }
  expect(answer).toEqual({ pgs: [0] });
});
