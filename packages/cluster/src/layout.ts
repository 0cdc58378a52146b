/**
 * Which processes a local cluster consists of: their names, zones, and places in the row of ports. Kept in the data folder, so that
 * what was added or stopped while it ran is so at its next start.
 *
 *     database nodes    writer-1 writer-2 … replica-1 …      zones in turn; a new one goes where there are fewest of its role
 *     segment servers   segment-a1 a2 b1 b2 c1 c2, then spare ones a3 b3 c3 a4 …
 *
 * A name that has become free is given away again, and so is a place.
 */
import { LIMITS, limitExceeded, REPLICAS, ZONES, type Role } from "@sixfold/model";

export const AZS = ["a", "b", "c"] as const;

export interface PlannedNode {
  readonly name: string;
  readonly role: Role;
  readonly az: string;
  /** In the row of the database nodes' ports. */
  readonly place: number;
}

export interface PlannedServer {
  readonly name: string;
  readonly az: string;
  /** In the row of the segment servers' ports. */
  readonly place: number;
}

/** What is asked for; undefined: as it was left. */
export interface WantedCounts {
  readonly writers?: number | undefined;
  readonly replicas?: number | undefined;
  /** Segment servers beyond the six. */
  readonly spares?: number | undefined;
}

/** The nodes that there were, brought to the numbers asked for: those with the highest numbers go first. */
export function planNodes(kept: readonly PlannedNode[], wanted: WantedCounts): PlannedNode[] {
  let nodes = [...kept];
  for (const role of ["writer", "replica"] as const) {
    const count = role === "writer" ? wanted.writers : wanted.replicas;
    const present = nodes
      .filter((node) => node.role === role)
      .sort((a, b) => number(a.name) - number(b.name));
    const surplus = new Set(present.slice(count ?? present.length));
    nodes = nodes.filter((node) => !surplus.has(node));
    for (let i = present.length; i < (count ?? 0); i++) nodes.push(nextNode(nodes, role));
  }
  return nodes;
}

/** The next node of this role; refused if it is one too many. */
export function nextNode(nodes: readonly PlannedNode[], role: Role, az?: string): PlannedNode {
  const alike = nodes.filter((node) => node.role === role);
  const limit = role === "writer" ? "writers" : "replicas";
  if (alike.length >= LIMITS[limit]) throw limitExceeded(limit, alike.length + 1, `the number of ${limit}`);
  const countIn = (zone: string): number => alike.filter((node) => node.az === zone).length;
  const place = firstFree(nodes.map((node) => node.place));
  // Of zones alike, the one whose turn it is.
  const zones = AZS.map((_, i) => AZS[(place + i) % ZONES]!);
  const emptiest = zones.reduce((best, zone) => (countIn(zone) < countIn(best) ? zone : best));
  const taken = alike.map((node) => number(node.name) - 1);
  return { name: `${role}-${firstFree(taken) + 1}`, role, az: az ?? emptiest, place };
}

/** None is ever left out that there was: it may keep data. */
export function planServers(kept: readonly PlannedServer[], { spares = 0 }: WantedCounts): PlannedServer[] {
  const servers = [...kept];
  for (let place = servers.length; place < REPLICAS + spares; place++) {
    const { az, number: n } = place < REPLICAS ? firstSix(place) : spare(place - REPLICAS);
    servers.push({ name: `segment-${az}${n}`, az, place });
  }
  return servers;
}

/** A further spare server: where there are fewest, unless a zone is asked for. */
export function nextServer(servers: readonly PlannedServer[], az?: string): PlannedServer {
  const countIn = (zone: string): number => servers.filter((server) => server.az === zone).length;
  const emptiest = AZS.reduce((best, zone) => (countIn(zone) < countIn(best) ? zone : best));
  const zone = az ?? emptiest;
  const taken = servers.filter((server) => server.az === zone).map((server) => number(server.name) - 1);
  const place = firstFree(servers.map((server) => server.place));
  return { name: `segment-${zone}${firstFree(taken) + 1}`, az: zone, place };
}

const PER_ZONE = REPLICAS / ZONES;

/** a1 a2 b1 b2 c1 c2 */
function firstSix(index: number): { az: string; number: number } {
  return { az: AZS[Math.floor(index / PER_ZONE)]!, number: (index % PER_ZONE) + 1 };
}

/** a3 b3 c3 a4 … */
function spare(index: number): { az: string; number: number } {
  return { az: AZS[index % ZONES]!, number: PER_ZONE + 1 + Math.floor(index / ZONES) };
}

/** The number at a name's end. */
const number = (name: string): number => Number(/\d+$/.exec(name)?.[0] ?? 0);

function firstFree(taken: readonly number[]): number {
  let free = 0;
  while (taken.includes(free)) free++;
  return free;
}
