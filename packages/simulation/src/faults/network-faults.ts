/** Networks that part, delay, lose, and mix up. */
import { type FaultKind, type FaultShape, logUniform, type Targets } from "../fault.ts";

const all = (targets: Targets): string[] => [...targets.servers, ...targets.nodes];
const names = (fault: FaultShape): string => fault.targets.join(", ");

const isolate: FaultKind = {
  name: "isolate",
  about: "one process is cut off from all others, in both directions",
  draw: (random, targets) => ({
    targets: [random.pick(all(targets))],
    forMs: logUniform(random, 20, 6000),
    amount: 0,
  }),
  describe: (fault) => `cut off ${names(fault)}`,
  begin: (field, { targets }) => field.part(targets),
  end: (field, { targets }) => field.join(targets),
};

const minority: FaultKind = {
  ...isolate,
  name: "minority",
  about: "one or two segment servers and perhaps a database node are cut off together",
  draw(random, targets) {
    const servers = random.shuffle([...targets.servers]).slice(0, 1 + random.int(2));
    const nodes = random.chance(0.5) ? [random.pick(targets.nodes)] : [];
    return { targets: [...servers, ...nodes], forMs: logUniform(random, 50, 6000), amount: 0 };
  },
};

const isolateZone: FaultKind = {
  ...isolate,
  name: "isolate-zone",
  about: "an availability zone is cut off",
  draw(random, targets) {
    const zone = random.pick(["a", "b", "c"]);
    return {
      targets: all(targets).filter((name) => targets.zones.get(name) === zone),
      forMs: logUniform(random, 50, 6000),
      amount: 0,
    };
  },
};

/** `amount`: 1 if it cannot be heard, 0 if it cannot hear. */
const oneWay: FaultKind = {
  name: "one-way",
  about: "one process hears the others but is not heard, or the other way round",
  draw: (random, targets) => ({ ...isolate.draw(random, targets), amount: random.int(2) }),
  describe: (fault) => `${names(fault)} ${fault.amount === 1 ? "is not heard" : "does not hear"}`,
  begin: (field, fault) => eachWay(field, fault, (from, to) => field.block(from, to)),
  end: (field, fault) => eachWay(field, fault, (from, to) => field.unblock(from, to)),
};

function eachWay(
  field: Parameters<FaultKind["begin"]>[0],
  { targets, amount }: FaultShape,
  act: (from: string, to: string) => void,
): void {
  for (const name of targets)
    for (const other of field.others(targets))
      if (amount === 1) act(name, other);
      else act(other, name);
}

/** Two database nodes lose each other, while both reach storage. */
const split: FaultKind = {
  name: "split",
  about: "two database nodes (or a node and a segment server) lose each other only",
  draw(random, targets) {
    const first = random.pick(targets.nodes);
    const second = random.pick(all(targets).filter((name) => name !== first));
    return { targets: [first, second], forMs: logUniform(random, 50, 8000), amount: 0 };
  },
  describe: (fault) => `part ${fault.targets.join(" from ")}`,
  begin: (field, { targets }) => field.part([targets[0]!], [targets[1]!]),
  end: (field, { targets }) => field.join([targets[0]!], [targets[1]!]),
};

/** Masters that reach two different quorums fence each other, and commit through the manifest meanwhile. */
const dispute: FaultKind = {
  name: "dispute",
  about: "all database nodes lose each other while two segment servers are cut off",
  draw: (random, targets) => ({
    targets: random.shuffle([...targets.servers]).slice(0, 2),
    forMs: logUniform(random, 2000, 9000),
    amount: 0,
  }),
  describe: (fault) => `cut off ${names(fault)}, and all nodes from each other`,
  begin: (field, fault) => eachDisputed(field, fault, (one, other) => field.part(one, other)),
  end: (field, fault) => eachDisputed(field, fault, (one, other) => field.join(one, other)),
};

function eachDisputed(
  field: Parameters<FaultKind["begin"]>[0],
  { targets }: FaultShape,
  act: (one: readonly string[], other: readonly string[]) => void,
): void {
  act(targets, field.others(targets));
  const { nodes } = field;
  nodes.forEach((node, i) => act([node], nodes.slice(i + 1)));
}

/**
 * A switch fails half: one database node and two segment servers are cut off from the other four, which a second node reaches. Then the first dies:
 * a third finds two accepts, which may have been enough, and the second one's entries in their way. `targets`: both
 * nodes, then the two servers.
 */
const crossed: FaultKind = {
  name: "crossed",
  about: "a node that reaches only two segment servers dies, while another reaches only the other four",
  draw(random, targets) {
    const [first, second] = random.shuffle([...targets.nodes]);
    const servers = random.shuffle([...targets.servers]).slice(0, 2);
    return {
      targets: [first!, second ?? first!, ...servers],
      forMs: logUniform(random, 200, 4000),
      amount: logUniform(random, 5, 500),
    };
  },
  describe: ({ targets: [first, second, ...servers], amount }) =>
    `${first} reaches only ${servers.join(", ")}, ${second} only the others; ${first} dies after ${amount} ms`,
  begin(field, { targets: [first, second, ...servers], amount }) {
    field.part([...servers, first!], rest(field, servers));
    if (second !== first) field.part([second!], servers);
    field.world.at(field.world.nowMs + amount, () => field.stop(first!, "kill"));
  },
  end(field, { targets: [first, second, ...servers], forMs, amount }) {
    field.join([...servers, first!], rest(field, servers));
    if (second !== first) field.join([second!], servers);
    // Longer away than the lines are cut, or it is up again before anybody has recovered its stream.
    field.world.at(field.world.nowMs + Math.max(0, amount - forMs), () => field.start(first!));
  },
};

const rest = (field: Parameters<FaultKind["begin"]>[0], servers: readonly string[]): string[] =>
  field.servers.filter((name) => !servers.includes(name));

/** After Zhou et al. 2021, section 4: a subset is stopped in one order and let go in another. `targets`: in the order of stopping. */
const swizzle: FaultKind = {
  name: "swizzle",
  about: "links of a random subset are clogged one after the other, and freed in another order",
  draw(random, targets) {
    const subset = random.shuffle(all(targets)).slice(0, 2 + random.int(4));
    return { targets: subset, forMs: logUniform(random, 200, 3000), amount: random.int(1 << 20) };
  },
  describe: (fault) => `swizzle ${names(fault)}`,
  begin(field, { targets, forMs, amount }) {
    const step = forMs / (2 * targets.length + 1);
    // Freed in an order of its own: multiply by a unit modulo a prime, and sort.
    const freed = [...targets].sort((a, b) => rank(a, amount) - rank(b, amount));
    const { world } = field;
    targets.forEach((name, i) => world.at(world.nowMs + i * step, () => field.part([name])));
    freed.forEach((name, i) => world.at(world.nowMs + (targets.length + i) * step, () => field.join([name])));
  },
  end: () => undefined,
};

function rank(name: string, salt: number): number {
  let hash = salt;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

const breakLinks: FaultKind = {
  name: "break-links",
  about: "all links of a process break; what was on its way is lost",
  draw: (random, targets) => ({ targets: [random.pick([...all(targets), "clients"])], forMs: 0, amount: 0 }),
  describe: (fault) => `break the links of ${names(fault)}`,
  begin: (field, { targets }) => targets.forEach((name) => field.world.fabric.breakLinks(name)),
  end: () => undefined,
};

/** `amount`: milliseconds at most, one way. */
const delay: FaultKind = {
  name: "delay",
  about: "a process is far away: long and varying delays in both directions",
  draw: (random, targets) => ({
    targets: [random.pick(all(targets))],
    forMs: logUniform(random, 100, 4000),
    amount: logUniform(random, 5, 600),
  }),
  describe: (fault) => `delay ${names(fault)} by up to ${fault.amount} ms`,
  begin: (field, { targets, amount }) =>
    bothWays(field, targets, { minMs: 0, meanMs: amount / 2, maxMs: amount }),
  end: (field, { targets }) => bothWays(field, targets, undefined),
};

type Distance = Parameters<Parameters<FaultKind["begin"]>[0]["world"]["fabric"]["setDelay"]>[2];

function bothWays(
  field: Parameters<FaultKind["begin"]>[0],
  targets: readonly string[],
  distance: Distance,
): void {
  for (const name of targets)
    for (const other of field.others([name])) {
      field.world.fabric.setDelay(name, other, distance);
      field.world.fabric.setDelay(other, name, distance);
    }
}

/** `amount`: percent of frames whose packets are lost once. */
const loss: FaultKind = {
  name: "loss",
  about: "packets are lost everywhere and come again after the retransmission time",
  draw: (random) => ({ targets: [], forMs: logUniform(random, 200, 4000), amount: 1 + random.int(20) }),
  describe: (fault) => `lose ${fault.amount} % of packets`,
  begin: (field, { amount }) => void (field.world.fabric.lossChance = amount / 100),
  end: (field) => void (field.world.fabric.lossChance = 0),
};

/** `amount`: percent. Harsher than TCP is: frames of trusted links vanish, come twice, or overtake; the links break at the end. */
function mischief(name: string, verb: string, chances: (chance: number) => object): FaultKind {
  return {
    name,
    about: `frames between servers and nodes ${verb}: harsher than a link that keeps its promises`,
    draw: (random, targets) => ({
      targets: [random.pick(all(targets))],
      forMs: logUniform(random, 50, 1500),
      amount: 1 + random.int(15),
    }),
    describe: (fault) => `${fault.amount} % of the frames from ${names(fault)} ${verb}`,
    begin: (field, { targets, amount }) =>
      field.world.fabric.setMischief({
        from: targets,
        loseChance: 0,
        duplicateChance: 0,
        reorderChance: 0,
        reorderMs: 20,
        ...chances(amount / 100),
      }),
    end(field, { targets }) {
      field.world.fabric.setMischief(undefined);
      for (const one of targets) field.world.fabric.breakLinks(one);
    },
  };
}

export const NETWORK_FAULTS: readonly FaultKind[] = [
  isolate,
  minority,
  isolateZone,
  oneWay,
  split,
  dispute,
  crossed,
  swizzle,
  breakLinks,
  delay,
  loss,
  mischief("lose", "vanish", (loseChance) => ({ loseChance })),
  mischief("duplicate", "come twice", (duplicateChance) => ({ duplicateChance })),
  mischief("reorder", "come late and out of order", (reorderChance) => ({ reorderChance })),
];
