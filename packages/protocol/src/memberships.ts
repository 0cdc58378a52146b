/**
 * Which sets of six had to agree on an entry of a PG, as far as manifests were told (DESIGN section 7, "Membership").
 *
 * An entry counts by the sets of its epoch or, where its writer knew a newer manifest when it decided, by those of a later one:
 * one of them must do.
 */
import { setsOf, type Epoch, type Manifest, type NodeName, type PgId } from "@sixfold/model";

interface Membership {
  readonly since: Epoch;
  readonly sets: readonly (readonly NodeName[])[];
}

/** Further back no entry is undecided. */
const KEPT = 16;

export class Memberships {
  private readonly pgs = new Map<PgId, Membership[]>();

  /** Manifests may come in any order. */
  learn(m: Manifest): void {
    m.pgs.forEach((_, index) => {
      const pg = index as PgId;
      const known = this.pgs.get(pg) ?? [];
      if (known.some((other) => other.since === m.epoch)) return;
      known.push({ since: m.epoch, sets: setsOf(m, pg) });
      known.sort((a, b) => a.since - b.since);
      if (known.length > KEPT) known.shift();
      this.pgs.set(pg, known);
    });
  }

  /** Of these segments, how many are in that set which has fewest of them: by the membership that counts most. */
  count(pg: PgId, at: Epoch, segments: ReadonlySet<NodeName>): number {
    const known = this.pgs.get(pg) ?? [];
    const later = known.findIndex((membership) => membership.since > at);
    const first = Math.max((later < 0 ? known.length : later) - 1, 0);
    let most: number | undefined;
    for (const { sets } of known.slice(first)) {
      const fewest = Math.min(...sets.map((set) => set.filter((name) => segments.has(name)).length));
      if (most === undefined || fewest > most) most = fewest;
    }
    return most ?? segments.size;
  }
}
