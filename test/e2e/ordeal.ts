/**
 * An ordeal: every kind of mishap that lines and processes can have, once each, in an order and at places that a seed
 * draws, while a load runs. Each ends mended, and with progress.
 *
 *     SIXFOLD_E2E_SEED=17 npx vitest run test/e2e     the same mishaps again
 */
import { randomInt } from "node:crypto";
import { Random, type Mode } from "@sixfold/model";
import type { Cut, Lines } from "./lines.ts";
import { CLIENTS } from "./lines.ts";
import { counted, killed, lost, until, type RealCluster } from "./real-cluster.ts";

/** Commits during a mishap that leaves a quorum, and after any. */
const SOME = 30;

export interface Mishap {
  readonly what: string;
  readonly happen: () => Promise<void>;
}

export interface Scene extends RealCluster {
  readonly mode: Mode;
  readonly lines: Lines;
  /** Resolves when `progress` further transactions were acknowledged. */
  readonly load: { progress(commits: number): Promise<void> };
}

/** From the environment, or a fresh one. */
export function drawSeed(): number {
  const given = process.env["SIXFOLD_E2E_SEED"];
  return given === undefined ? randomInt(1_000_000) : Number(given);
}

/** For people and logs: what was tried, and how it ended. */
export function report(line: string): void {
  process.stdout.write(`e2e ${line}\n`);
}

/** Says what is going to happen, lets it happen, and leaves the cluster whole. */
export async function suffer(seed: number, scene: Scene, mishaps: readonly Mishap[]): Promise<void> {
  report(`seed ${seed}, ${scene.mode}: ${mishaps.map(({ what }) => what).join("; ")}`);
  for (const { what, happen } of mishaps) {
    try {
      await happen();
      scene.lines.mend();
      await scene.load.progress(SOME);
    } catch (error) {
      throw new Error(`seed ${seed}, ${scene.mode}: ${what}`, { cause: error });
    }
  }
}

/** Names of the processes that there are to choose from. */
class Cast {
  readonly random: Random;
  readonly segments: readonly string[];
  readonly writers: readonly string[];

  constructor(seed: number, { cluster }: Scene) {
    this.random = new Random(seed);
    this.segments = cluster.nodes.filter((node) => node.role === "segment").map((node) => node.name);
    this.writers = cluster.nodes.filter((node) => node.role === "writer").map((node) => node.name);
  }

  get all(): string[] {
    return [...this.segments, ...this.writers];
  }

  /** So many different segment servers. */
  some(n: number): string[] {
    return this.random.shuffle([...this.segments]).slice(0, n);
  }

  segment(): string {
    return this.random.pick(this.segments);
  }

  writer(): string {
    return this.random.pick(this.writers);
  }

  how(): Cut {
    return this.random.pick(["swallow", "hold"] as const);
  }
}

/** Lines: cut, half-open, one way, slow, reset. */
export function lineMishaps(seed: number, scene: Scene): Mishap[] {
  const cast = new Cast(seed, scene);
  const mishaps = [
    resets(cast, scene),
    halfOpen(cast, scene),
    oneWay(cast, scene),
    minority(cast, scene),
    slow(cast, scene),
    withoutQuorum(cast, scene),
    gossip(cast, scene),
    clientsCut(cast, scene),
  ];
  if (scene.mode === "multi") mishaps.push(mastersCut(cast, scene));
  return cast.random.shuffle(mishaps);
}

/** Processes: killed, and stopped for a while. */
export function processMishaps(seed: number, scene: Scene): Mishap[] {
  const cast = new Cast(seed, scene);
  return cast.random.shuffle([
    ...[cast.segment(), cast.writer()].map((victim) => death(scene, victim)),
    hungSegments(cast, scene),
    hungWriter(cast, scene),
    resets(cast, scene),
    halfOpen(cast, scene),
  ]);
}

function resets(cast: Cast, { lines, load }: Scene): Mishap {
  const victims = cast.random.shuffle(cast.all).slice(0, 3);
  return {
    what: `connections of ${victims.join(", ")} reset`,
    happen: async () => {
      for (const victim of victims) {
        lines.reset(victim);
        await load.progress(SOME);
      }
    },
  };
}

function halfOpen(cast: Cast, { lines, load, cluster }: Scene): Mishap {
  const [writer, segment] = [cast.writer(), cast.segment()];
  return {
    what: `half-open between ${writer} and ${segment}`,
    happen: async () => {
      lines.cutBoth(writer, segment, "swallow");
      await lost(cluster, writer, [segment]);
      await load.progress(SOME);
    },
  };
}

function oneWay(cast: Cast, { lines, load, cluster }: Scene): Mishap {
  const [deaf, mute, how] = [cast.writer(), cast.segment(), cast.how()];
  return {
    what: `${deaf} hears nothing of ${mute} (${how})`,
    happen: async () => {
      lines.cut(mute, deaf, how);
      await lost(cluster, deaf, [mute]);
      await load.progress(SOME);
    },
  };
}

/** Two of six out of everybody's reach (I7). */
function minority(cast: Cast, { lines, load, cluster }: Scene): Mishap {
  const [pair, how, witness] = [cast.some(2), cast.how(), cast.writer()];
  return {
    what: `${pair.join(", ")} cut off (${how})`,
    happen: async () => {
      for (const name of pair) for (const other of cast.all) lines.cutBoth(name, other, how);
      await lost(cluster, witness, pair);
      await load.progress(SOME);
    },
  };
}

function slow(cast: Cast, { lines, load }: Scene): Mishap {
  const [victim, ms] = [cast.random.pick(cast.all), 5 + cast.random.int(40)];
  return {
    what: `${victim} is ${ms} ms away`,
    happen: async () => {
      for (const other of cast.all) {
        lines.delay(victim, other, ms);
        lines.delay(other, victim, ms);
      }
      await load.progress(SOME);
    },
  };
}

/** A writer that reaches only three of six can neither write nor be sure of anything. */
function withoutQuorum(cast: Cast, { lines, cluster }: Scene): Mishap {
  const [writer, three, how] = [cast.writer(), cast.some(3), cast.how()];
  return {
    what: `${writer} cut from ${three.join(", ")} (${how})`,
    happen: async () => {
      for (const name of three) lines.cutBoth(writer, name, how);
      await lost(cluster, writer, three);
    },
  };
}

function gossip(cast: Cast, { lines, load, cluster }: Scene): Mishap {
  const [three, how] = [cast.some(3), cast.how()];
  const others = cast.segments.filter((name) => !three.includes(name));
  return {
    what: `no gossip between ${three.join(", ")} and the rest (${how})`,
    happen: async () => {
      for (const name of three) for (const other of others) lines.cutBoth(name, other, how);
      await lost(cluster, three[0]!, others);
      await load.progress(SOME);
    },
  };
}

/**
 * Half-open to the clients: each side must notice for itself. Looked at from the lines, for clients may find their way round them: nodes tell
 * them where they are.
 */
function clientsCut(cast: Cast, { lines }: Scene): Mishap {
  const writer = cast.writer();
  return {
    what: `half-open between ${writer} and its clients`,
    happen: async () => {
      await until(`${writer} has clients`, () => lines.between(CLIENTS, writer).length > 0);
      const connections = lines.between(CLIENTS, writer);
      lines.cutBoth(writer, CLIENTS, "swallow");
      await until(`${writer} and its clients give each other up`, () =>
        connections.every((connection) => connection.isGivenUp),
      );
    },
  };
}

/** Both reach storage: whoever gets tired of the silence first fences the other, and both go on. */
function mastersCut(cast: Cast, { lines, load, cluster }: Scene): Mishap {
  const how = cast.how();
  const [one, other] = cast.writers as [string, string];
  const suspected = async (): Promise<number> =>
    (await counted(cluster, one, "writer-suspected")) + (await counted(cluster, other, "writer-suspected"));
  return {
    what: `${one} and ${other} cut from each other (${how})`,
    happen: async () => {
      const before = await suspected();
      lines.cutBoth(one, other, how);
      await until("a master is suspected", async () => (await suspected()) > before);
      await load.progress(SOME);
    },
  };
}

/** The supervisor starts it again. */
function death({ cluster, load }: Scene, victim: string): Mishap {
  return {
    what: `${victim} killed`,
    happen: () => killed(cluster, victim, () => load.progress(SOME)),
  };
}

function hungSegments(cast: Cast, { cluster, load }: Scene): Mishap {
  const [pair, witness] = [cast.some(2), cast.writer()];
  return {
    what: `${pair.join(", ")} hang`,
    happen: async () => {
      for (const name of pair) cluster.kill(name, "SIGSTOP");
      await lost(cluster, witness, pair);
      await load.progress(SOME);
      for (const name of pair) cluster.kill(name, "SIGCONT");
    },
  };
}

function hungWriter(cast: Cast, { cluster }: Scene): Mishap {
  const [writer, witness] = [cast.writer(), cast.segment()];
  return {
    what: `${writer} hangs`,
    happen: async () => {
      cluster.kill(writer, "SIGSTOP");
      await lost(cluster, witness, [writer]);
      cluster.kill(writer, "SIGCONT");
    },
  };
}
