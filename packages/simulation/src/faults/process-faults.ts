/** Processes and machines that stop, hang, or crawl. */
import type { Random } from "@sixfold/model";
import { type FaultKind, type FaultShape, logUniform, type Targets } from "../fault.ts";

const all = (targets: Targets): string[] => [...targets.servers, ...targets.nodes];
const names = (fault: FaultShape): string => fault.targets.join(", ");

/** One process, for a while. */
const one = (random: Random, targets: Targets, most: number): FaultShape => ({
  targets: [random.pick(all(targets))],
  forMs: logUniform(random, 1, most),
  amount: 0,
});

const kill: FaultKind = {
  name: "kill",
  about: "a process dies; what it wrote stays in the system's cache, peers see its links reset",
  draw: (random, targets) => one(random, targets, 4000),
  describe: (fault) => `kill ${names(fault)}`,
  begin: (field, { targets }) => targets.forEach((name) => field.stop(name, "kill")),
  end: (field, { targets }) => targets.forEach((name) => field.start(name)),
};

const crash: FaultKind = {
  name: "crash",
  about: "a machine loses power; writes not synced are torn, peers hear nothing",
  draw: (random, targets) => one(random, targets, 4000),
  describe: (fault) => `power loss of ${names(fault)}`,
  begin: (field, { targets }) => targets.forEach((name) => field.stop(name, "crash")),
  end: (field, { targets }) => targets.forEach((name) => field.start(name)),
};

const crashPair: FaultKind = {
  ...crash,
  name: "crash-pair",
  about: "two segment servers lose power together",
  draw: (random, targets) => ({
    targets: random.shuffle([...targets.servers]).slice(0, 2),
    forMs: logUniform(random, 10, 4000),
    amount: 0,
  }),
};

const crashZone: FaultKind = {
  ...crash,
  name: "crash-zone",
  about: "an availability zone loses power: segment servers and database nodes",
  draw: (random, targets) => {
    const zone = random.pick(["a", "b", "c"]);
    return {
      targets: all(targets).filter((name) => targets.zones.get(name) === zone),
      forMs: logUniform(random, 100, 4000),
      amount: 0,
    };
  },
};

const crashAll: FaultKind = {
  ...crash,
  name: "crash-all",
  about: "every machine loses power at once; at their end all start in the same instant",
  draw: (random, targets) => ({ targets: all(targets), forMs: logUniform(random, 1, 2000), amount: 0 }),
};

const killWriters: FaultKind = {
  ...kill,
  name: "kill-writers",
  about: "every database node dies at once",
  draw: (random, targets) => ({ targets: targets.nodes, forMs: logUniform(random, 1, 2000), amount: 0 }),
};

const stop: FaultKind = {
  ...kill,
  name: "stop",
  about: "a process is asked to end: a writer closes its stream first",
  describe: (fault) => `stop ${names(fault)}`,
  begin: (field, { targets }) => targets.forEach((name) => field.askToStop(name)),
};

const BOUNDARIES = ["before-persist", "after-persist", "before-send", "after-send"] as const;

/** `amount`: boundary * 1000 + how many of them from now. */
const crashAt: FaultKind = {
  name: "crash-at",
  about: "a machine loses power right before or after a persist or a send",
  draw: (random, targets) => ({
    targets: [random.pick(all(targets))],
    forMs: logUniform(random, 100, 3000),
    amount: random.int(BOUNDARIES.length) * 1000 + 1 + random.int(40),
  }),
  describe: (fault) =>
    `power loss of ${names(fault)} ${BOUNDARIES[Math.floor(fault.amount / 1000)]!.replace("-", " ")} ${fault.amount % 1000}`,
  begin(field, { targets, amount }) {
    const name = targets[0]!;
    if (!field.isUp(name)) return;
    const boundary = BOUNDARIES[Math.floor(amount / 1000)]!;
    field.world.crashAt(name, { boundary, count: amount % 1000, how: "crash" });
  },
  end(field, { targets }) {
    const name = targets[0]!;
    field.world.cancelCrashAt(name);
    // It went down by itself: this is the operator who starts it.
    if (!field.isUp(name)) field.bounce(name);
  },
};

/**
 * Two segment servers are out of reach, and a database node dies as it sends: who recovers its stream cannot know what those
 * two have accepted. `targets`: the node first. `amount`: which send from half of the time on.
 */
const cornered: FaultKind = {
  name: "cornered",
  about: "two segment servers are cut off, and a database node dies between two sends",
  draw: (random, targets) => ({
    targets: [random.pick(targets.nodes), ...random.shuffle([...targets.servers]).slice(0, 2)],
    forMs: logUniform(random, 500, 6000),
    amount: 1 + random.int(12),
  }),
  describe: ({ targets: [node, ...servers], amount }) =>
    `cut off ${servers.join(", ")}, then kill ${node} after send ${amount}`,
  begin(field, { targets: [node, ...servers], forMs, amount }) {
    field.part(servers);
    field.world.at(field.world.nowMs + forMs / 2, () => {
      if (field.isUp(node!))
        field.world.crashAt(node!, { boundary: "after-send", count: amount, how: "kill" });
    });
  },
  end(field, { targets: [node, ...servers] }) {
    field.join(servers);
    field.world.cancelCrashAt(node!);
    if (!field.isUp(node!)) field.bounce(node!);
  },
};

/** `amount`: 1 if it dies for good first, 2 if the newcomer dies in between, 3 both. */
const replace: FaultKind = {
  name: "replace",
  about: "what a segment server keeps is moved to a spare one of its zone, dead or alive",
  draw: (random, targets) => ({
    targets: [random.pick(targets.servers)],
    forMs: logUniform(random, 100, 4000),
    amount: random.int(4),
  }),
  describe: ({ targets: [server], amount }) =>
    `replace ${server} by ${spareOf(server!)}${["", ", which has died", ", the newcomer dying", ", which has died, the newcomer dying"][amount]}`,
  begin(field, { targets: [server], amount, forMs }) {
    if ((amount & 1) !== 0) field.stop(server!, "kill");
    field.replace(server!);
    if ((amount & 2) !== 0)
      field.world.at(field.world.nowMs + forMs / 2, () => field.stop(spareOf(server!), "crash"));
  },
  end(field, { targets: [server], amount }) {
    if ((amount & 1) !== 0) field.start(server!);
    if ((amount & 2) !== 0) field.start(spareOf(server!));
    // It may have been refused for a step under way.
    field.replace(server!);
  },
};

const spareOf = (server: string): string => server.replace(/\d$/, "3");

const pause: FaultKind = {
  name: "pause",
  about: "a process stops for a while and goes on where it was: a long collection, a suspended machine",
  draw: (random, targets) => one(random, targets, 1500),
  describe: (fault) => `pause ${names(fault)}`,
  begin: (field, { targets }) => targets.forEach((name) => field.pause(name)),
  end: (field, { targets }) => targets.forEach((name) => field.resume(name)),
};

const zombie: FaultKind = {
  ...pause,
  name: "zombie",
  about: "a writer is paused until others have fenced its stream, and wakes up believing in it",
  draw: (random, targets) => ({
    targets: [random.pick(targets.nodes)],
    forMs: logUniform(random, 3500, 8000),
    amount: 0,
  }),
};

/** `amount`: milliseconds that each event takes. */
const slow: FaultKind = {
  name: "slow",
  about: "a process crawls: every event takes it milliseconds",
  draw: (random, targets) => ({
    targets: [random.pick(all(targets))],
    forMs: logUniform(random, 100, 2000),
    amount: 1 + random.int(8),
  }),
  describe: (fault) => `${names(fault)} takes ${fault.amount} ms for each event`,
  begin: (field, { targets, amount }) => targets.forEach((name) => field.world.setEventCost(name, amount)),
  end: (field, { targets }) => targets.forEach((name) => field.world.setEventCost(name, 0)),
};

export const PROCESS_FAULTS: readonly FaultKind[] = [
  kill,
  crash,
  crashPair,
  crashZone,
  crashAll,
  killWriters,
  stop,
  replace,
  crashAt,
  cornered,
  pause,
  zombie,
  slow,
];
