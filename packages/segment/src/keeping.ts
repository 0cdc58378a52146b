/**
 * What this server keeps, by the manifest that it was told last (DESIGN section 7, "Membership").
 *
 *     member      one of the PG's six
 *     newcomer    one of the six that it is on the way to, and not of those before
 *     stranger    neither: takes nothing, and drops what it has
 *
 * Nodes tell each server the manifest they know before anything that rests on it, on the same link. A server that was told none yet
 * (it has just started) trusts who speaks to it.
 */
import { changeOf, membersOf, type Epoch, type Manifest, type NodeName, type PgId } from "@sixfold/model";
import type { PgState } from "./pg-state.ts";

export type Role =
  { readonly kind: "member" | "stranger" | "untold" } | { readonly kind: "newcomer"; readonly since: Epoch };

const MEMBER: Role = { kind: "member" };
const STRANGER: Role = { kind: "stranger" };
const UNTOLD: Role = { kind: "untold" };

export class Keeping {
  private readonly name: NodeName;
  private manifest: Manifest | undefined;

  constructor(name: NodeName) {
    this.name = name;
  }

  /** False: it is not newer than what was known. */
  learn(manifest: Manifest): boolean {
    if (this.manifest !== undefined && manifest.revision <= this.manifest.revision) return false;
    this.manifest = manifest;
    return true;
  }

  roleIn(pg: PgId): Role {
    if (this.manifest === undefined) return UNTOLD;
    if (this.manifest.pgs[pg]?.includes(this.name) === true) return MEMBER;
    const change = changeOf(this.manifest, pg);
    return change?.to.includes(this.name) === true ? { kind: "newcomer", since: change.since } : STRANGER;
  }

  /** PGs that this server is to take in. */
  get joining(): readonly { readonly pg: PgId; readonly since: Epoch }[] {
    const changes = this.manifest?.changes ?? [];
    return changes.filter(({ pg }) => this.roleIn(pg).kind === "newcomer");
  }

  /** Does somebody else keep this PG now? The manifest must be of after this server came to it. */
  hasLeft({ pg, since }: PgState): boolean {
    const m = this.manifest;
    return m?.pgs[pg] !== undefined && m.epoch > since && this.roleIn(pg).kind === "stranger";
  }

  /** Are its members changing? */
  isChanging(pg: PgId): boolean {
    return this.manifest !== undefined && changeOf(this.manifest, pg) !== undefined;
  }

  isPeer(pg: PgId, server: NodeName): boolean {
    return this.manifest === undefined || membersOf(this.manifest, pg).includes(server);
  }

  /** Has it been of the PG before the change that is under way? Its pages are whole, then. */
  isOldMember(pg: PgId, server: NodeName): boolean {
    return this.manifest?.pgs[pg]?.includes(server) === true;
  }

  /** Which of the six that the PG is on the way to this server is; from 0. */
  placeIn(pg: PgId): number {
    const to = this.manifest && (changeOf(this.manifest, pg)?.to ?? this.manifest.pgs[pg]);
    return Math.max(0, to?.indexOf(this.name) ?? 0);
  }

  /** Does somebody else take its place in the PG? */
  isLeaving(pg: PgId, server: NodeName): boolean {
    const change = this.manifest && changeOf(this.manifest, pg);
    return change !== undefined && this.isOldMember(pg, server) && !change.to.includes(server);
  }
}
