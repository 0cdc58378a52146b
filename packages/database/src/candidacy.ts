/**
 * Who opens the stream of an exclusive volume that nobody writes, and when.
 *
 *     named by the last writer, or by its own recovery of its stream       at once
 *     writers, in the order of the manifest's list                         the first at once, each further one a little later
 *     whose own stream was just closed                                     after those
 *     replicas                                                             only where no writer is linked, and later than writers:
 *                                                                          never on a new volume, and where they have not seen anybody
 *                                                                          write since they started, all may be just starting
 *
 * The waits spare candidates a race, no more: the compare-and-set that opens a stream lets one of them be first.
 */
import { openStreams, streamId, type Manifest, type NodeInfo, type NodeName } from "@sixfold/model";
import type { NodeOptions } from "./node-api.ts";

export interface Linked {
  /** Other nodes that this one follows. */
  peers(): readonly NodeName[];
  isLinked(name: NodeName): boolean;
}

/** Longer than a successor takes to open its stream. */
const STEP_MS = 100;
const STAND_BACK_MS = 2000;
const FIRST_STREAM = streamId(1);

export class Candidacy {
  private readonly self: Pick<NodeOptions, "name" | "role">;
  private readonly linked: Linked;
  /** Since when nobody writes; later than now after a loss. */
  private vacantSince: number | undefined;
  private isNamed = false;
  /** Somebody wrote since this node started. */
  private sawWriter = false;

  constructor(self: Pick<NodeOptions, "name" | "role">, linked: Linked) {
    this.self = self;
    this.linked = linked;
  }

  /** This node is the one to do it. */
  named(): void {
    this.isNamed = true;
  }

  /** Somebody writes. */
  isFilled(): void {
    this.vacantSince = undefined;
    this.isNamed = false;
    this.sawWriter = true;
  }

  /** Somebody else is to come first. */
  standBack(now: number): void {
    this.vacantSince = now + STAND_BACK_MS;
    this.isNamed = false;
  }

  /** Nobody writes: may this node open a stream now? */
  mayOpen(manifest: Manifest, now: number): boolean {
    if (this.isNamed) return true;
    this.vacantSince ??= this.self.role === "replica" && !this.sawWriter ? now + STAND_BACK_MS : now;
    return this.isEligible(manifest) && now - this.vacantSince >= this.patienceMs(manifest);
  }

  /** Writers are; replicas where none of them is there. */
  isEligible(manifest: Manifest): boolean {
    if (this.self.role === "writer") return true;
    if (manifest.mode === "multi" || manifest.nextStream === FIRST_STREAM) return false;
    const linked = new Set(this.linked.peers());
    return !manifest.nodes.some(({ name, role }) => role === "writer" && linked.has(name));
  }

  /** How many of those that are there come before this node, should the suspect be dead. */
  placeAfter(suspect: NodeName, manifest: Manifest | undefined): number {
    const linked = new Set(this.linked.peers());
    const there = manifest === undefined ? [] : this.ordered(manifest);
    const able = there.filter(
      ({ name }) => name === this.self.name || (name !== suspect && linked.has(name)),
    );
    return Math.max(
      0,
      able.findIndex(({ name }) => name === this.self.name),
    );
  }

  /** Whom to hand over to: a writer of the list, in its order, or a replica. */
  successor(manifest: Manifest): NodeName | undefined {
    const others = this.ordered(manifest).filter(({ name }) => this.linked.isLinked(name));
    return others.find(({ name }) => name !== this.self.name)?.name;
  }

  private patienceMs(manifest: Manifest): number {
    const place = this.ordered(manifest).findIndex(({ name }) => name === this.self.name);
    const isSwitch = manifest.nextMode !== manifest.mode && openStreams(manifest).length === 0;
    return (isSwitch ? STEP_MS / 4 : STEP_MS) * Math.max(0, place);
  }

  private ordered({ nodes }: Manifest): NodeInfo[] {
    const of = (role: NodeInfo["role"]): NodeInfo[] => nodes.filter((node) => node.role === role);
    return [...of("writer"), ...of("replica")];
  }
}
