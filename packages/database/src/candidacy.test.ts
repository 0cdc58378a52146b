import { nodeName, streamId, type Manifest } from "@sixfold/model";
import { expect, test } from "vitest";
import { Candidacy } from "./candidacy.ts";

const [writer, replica] = [nodeName("writer-1"), nodeName("replica-1")];

function manifest(nextStream: number): Manifest {
  const node = (name: typeof writer, role: "writer" | "replica") => ({ name, role, az: "a", url: "" });
  return {
    ...{ volume: "v", revision: 1, epoch: 1, mode: "single", nextMode: "single" },
    geometry: { pageBytes: 4096, segmentBytes: 1 << 20 },
    nodes: [node(replica, "replica"), node(writer, "writer")],
    ...{ servers: [], seats: [], nextSeats: [], pgs: [], changes: [], streams: [], outcomes: [] },
    ...{ nextStream: streamId(nextStream), settledThrough: streamId(0) },
  } as unknown as Manifest;
}

/** Of a replica that is linked to the writer, or not. */
function candidacy(isLinked: boolean): Candidacy {
  return new Candidacy(
    { name: replica, role: "replica" },
    { peers: () => (isLinked ? [writer] : []), isLinked: () => isLinked },
  );
}

test("a replica never opens the first stream of a volume: its writers are on their way", () => {
  const one = candidacy(false);
  expect(one.mayOpen(manifest(1), 0)).toBe(false);
  expect(one.mayOpen(manifest(1), 60_000)).toBe(false);
});

test("one that has just started leaves writers that start, too, some time", () => {
  const one = candidacy(false);
  expect(one.mayOpen(manifest(5), 0)).toBe(false);
  expect(one.mayOpen(manifest(5), 1900)).toBe(false);
  expect(one.mayOpen(manifest(5), 2200)).toBe(true);
});

test("one that has seen the writer go takes over almost at once, but not beside another writer", () => {
  const one = candidacy(false);
  one.isFilled();
  expect(one.mayOpen(manifest(5), 0)).toBe(false);
  expect(one.mayOpen(manifest(5), 100)).toBe(true);
  const other = candidacy(true);
  other.isFilled();
  expect(other.mayOpen(manifest(5), 0)).toBe(false);
  expect(other.mayOpen(manifest(5), 60_000)).toBe(false);
});
