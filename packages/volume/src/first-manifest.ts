/** The manifest that a volume begins with: one protection group, kept by the first six servers, which hold the manifest too. */
import {
  assert,
  checkGeometry,
  epoch,
  placeSegments,
  streamId,
  type Manifest,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { InitialManifest } from "./volume-api.ts";

export function firstManifest(
  volume: string,
  servers: readonly SegmentServerInfo[],
  { mode, geometry, nodes = [] }: InitialManifest,
): Manifest {
  assert(checkGeometry(geometry) === undefined, "the geometry was checked where it was asked for");
  const members = placeSegments(servers, new Map());
  assert(members !== undefined, "a volume has two servers in each of three zones");
  return {
    volume,
    revision: 0,
    epoch: epoch(1),
    mode,
    nextMode: mode,
    geometry,
    servers,
    nodes,
    seats: members,
    nextSeats: [],
    pgs: [members],
    changes: [],
    nextStream: streamId(1),
    streams: [],
    settledThrough: streamId(0),
    outcomes: [],
  };
}
