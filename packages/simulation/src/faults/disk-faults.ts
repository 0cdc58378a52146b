/** Disks that are slow, stand still, fill up, fail, and lie. */
import type { Random } from "@sixfold/model";
import { type FaultKind, type FaultShape, logUniform, type Targets } from "../fault.ts";

const names = (fault: FaultShape): string => fault.targets.join(", ");

const server = (random: Random, targets: Targets, most: number): FaultShape => ({
  targets: [random.pick(targets.servers)],
  forMs: logUniform(random, 20, most),
  amount: 0,
});

/** `amount`: times. */
const slowDisk: FaultKind = {
  name: "disk-slow",
  about: "a segment server's disk takes many times as long",
  draw: (random, targets) => ({ ...server(random, targets, 4000), amount: logUniform(random, 2, 200) }),
  describe: (fault) => `the disk of ${names(fault)} is ${fault.amount} times slower`,
  begin: (field, { targets, amount }) => field.log(targets[0]!).slowBy(amount),
  end: (field, { targets }) => field.log(targets[0]!).slowBy(1),
};

const stall: FaultKind = {
  name: "disk-stall",
  about: "a segment server's disk takes requests and finishes none for a while",
  draw: (random, targets) => server(random, targets, 3000),
  describe: (fault) => `the disk of ${names(fault)} stands still`,
  begin: (field, { targets }) => field.log(targets[0]!).stall(),
  end: (field, { targets }) => field.log(targets[0]!).unstall(),
};

/** The server says why and falls silent; at the end there is room again, and it is started anew. */
const full: FaultKind = {
  name: "disk-full",
  about: "a segment server's disk is full; later there is room again and it is started anew",
  draw: (random, targets) => server(random, targets, 4000),
  describe: (fault) => `the disk of ${names(fault)} is full`,
  begin: (field, { targets }) => field.fill(targets[0]!),
  end: (field, { targets }) => field.bounce(targets[0]!),
};

const fail: FaultKind = {
  name: "disk-fail",
  about: "a write fails; what it covered counts as clean and is never written",
  draw: (random, targets) => server(random, targets, 4000),
  describe: (fault) => `a write of ${names(fault)} fails`,
  begin: (field, { targets }) => field.log(targets[0]!).failNext(new Error("input/output error")),
  end: (field, { targets }) => field.bounce(targets[0]!),
};

/**
 * The medium lies: an acknowledged write is not what was written. The server runs on, writes more, and is started anew: it must
 * notice, by itself. What it synced is then lost, so it counts as one of the two that may be; always the same server in one run.
 */
function lyingLog(name: string, about: string, lie: "corruptNext" | "misdirectNext"): FaultKind {
  return {
    name,
    about,
    draw: (random, targets) => ({
      targets: [targets.damaged],
      forMs: logUniform(random, 300, 3000),
      amount: 0,
    }),
    describe: (fault) =>
      `a write of ${names(fault)} is ${lie === "corruptNext" ? "corrupted" : "misdirected"} on the medium`,
    begin: (field, { targets }) => {
      const log = field.log(targets[0]!);
      if (field.isUp(targets[0]!)) log[lie]();
    },
    end: (field, { targets }) => {
      // One that met no write strikes no more.
      field.log(targets[0]!).cancelPlanned();
      field.bounce(targets[0]!);
    },
  };
}

/** `amount`: which of the stored pages. Repaired from peers, so any server's; but one server in a run, lest a page's last copies go. */
const corruptPage: FaultKind = {
  name: "page-corrupt",
  about: "a stored page of a segment server is damaged; it is repaired from peers",
  draw: (random, targets) => ({ targets: [targets.damaged], forMs: 0, amount: random.int(1 << 20) }),
  describe: (fault) => `damage a stored page of ${names(fault)}`,
  begin(field, { targets, amount }) {
    const image = field.world.find(targets[0]!).pageStore("pages");
    const ids = image.ids();
    if (ids.length > 0) image.corrupt(ids[amount % ids.length]!);
  },
  end: () => undefined,
};

/** `amount`: which of the stored pages, and by how many places the one that it is written over stands behind it. */
const crossedPage: FaultKind = {
  name: "page-crossed",
  about:
    "a stored page of a segment server stands in another's place too, whole; that one is repaired from peers",
  draw: (random, targets) => ({ targets: [targets.damaged], forMs: 0, amount: random.int(1 << 20) }),
  describe: (fault) => `a stored page of ${names(fault)} is written over by another`,
  begin(field, { targets, amount }) {
    const image = field.world.find(targets[0]!).pageStore("pages");
    const ids = image.ids();
    if (ids.length < 2) return;
    const from = amount % ids.length;
    const by = 1 + (amount % (ids.length - 1));
    image.cross(ids[from]!, ids[(from + by) % ids.length]!);
  },
  end: () => undefined,
};

export const DISK_FAULTS: readonly FaultKind[] = [
  slowDisk,
  stall,
  full,
  fail,
  lyingLog("disk-corrupt", "an acknowledged log write has flipped bits on the medium", "corruptNext"),
  lyingLog("disk-misdirect", "an acknowledged log write landed somewhere else", "misdirectNext"),
  corruptPage,
  crossedPage,
];
