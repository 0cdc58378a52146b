/**
 * Who may serve what, and who should.
 *
 *                          given, same zone   other, same zone   given   other   anybody that reads, given | other
 *     writer                      0                  1              2       3         -
 *     replica                     0                  1              2       3         4                    | 5
 *     nearest, any                0                  1              2       3         -
 *
 * The lowest rank that is connected serves; whoever would have a lower one is dialled. Given addresses come first, for a list of
 * addresses is a wish to be respected (a client may want one certain writer); with `discover` it is only where to begin.
 * Without a zone every node is in the same. A replica that lags far behind, or a node that does not serve yet, comes after all others.
 */
import { SixfoldError } from "@sixfold/model";
import type { TopologyNode } from "@sixfold/wire";

const READ_FROM = ["any", "writer", "replica", "nearest"] as const;

/** Where reads go that need no writer. */
export type ReadFrom = (typeof READ_FROM)[number];

/** Throws `bad-request` for what is none; users may come without types. */
export function checkReadFrom(wish: ReadFrom | undefined): void {
  if (wish === undefined || READ_FROM.includes(wish)) return;
  throw new SixfoldError("bad-request", `readFrom is one of ${READ_FROM.join(", ")}, not ${String(wish)}`);
}

/** What a request needs of its node. */
export type Need = ReadFrom;

export interface Wishes {
  readonly az: string | undefined;
  readonly discover: boolean;
}

/** A node as far as it matters here. `rttMs`: to it and back, when it was dialled; unknown before. */
export interface Candidate {
  readonly given: boolean;
  readonly node: Pick<TopologyNode, "az" | "stream" | "ready" | "lagMs"> | undefined;
  /** It said that it takes no writes, or somebody else did. */
  readonly refusesWrites: boolean;
  readonly rttMs: number | undefined;
}

export const NEVER = Number.POSITIVE_INFINITY;

/** A replica that is further behind makes sessions wait: only for want of another. */
const LAG_MAX_MS = 1000;
const POOR = 10;
/** Beyond that much more than the nearest is not near (without zones): as for servers within one zone and a switch apart. */
const NEAR_FACTOR = 2;
const NEAR_MS = 1;

/** Lower is better; `NEVER`: it cannot. What is not known of an undialled address is hoped for. */
export function rank(need: Need, candidate: Candidate, wishes: Wishes): number {
  const { node, given, refusesWrites } = candidate;
  const unlisted = given || wishes.discover ? 0 : 1;
  const writes = node !== undefined && node.stream !== 0 && !refusesWrites;
  if (need === "writer") {
    if (node !== undefined && !writes) return NEVER;
    return place(node, wishes) + unlisted;
  }
  const poor = node !== undefined && (!node.ready || node.lagMs > LAG_MAX_MS) ? POOR : 0;
  if (need === "replica" && writes) return poor + 4 + unlisted;
  return poor + place(node, wishes) + unlisted;
}

function place(node: Candidate["node"], { az }: Wishes): number {
  return az === undefined || node?.az === az ? 0 : 2;
}

/** Those of the best rank; for `nearest` without a zone, those that are near. */
export function best<C extends Candidate>(need: Need, able: readonly C[], wishes: Wishes): readonly C[] {
  const ranks = able.map((candidate) => rank(need, candidate, wishes));
  const lowest = Math.min(...ranks);
  if (lowest === NEVER) return [];
  const chosen = able.filter((_, i) => ranks[i] === lowest);
  if (need !== "nearest" || wishes.az !== undefined) return chosen;
  const least = Math.min(...chosen.map((c) => c.rttMs ?? NEVER));
  return chosen.filter((c) => (c.rttMs ?? NEVER) <= NEAR_FACTOR * least + NEAR_MS);
}
