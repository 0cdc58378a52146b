/** Database nodes that come and go: not because they fail, but because an operator wants more of them, or fewer. */
import type { FaultKind } from "../fault.ts";
import { logUniform } from "../fault.ts";

/** `amount`: 0 it leaves by itself in the end, 1 it has died by then, 2 the others strike it off while it lives. */
const join: FaultKind = {
  name: "join",
  about: "a further writer or replica joins the cluster, serves for a while, and leaves for good",
  draw: (random, targets) => ({
    targets: [random.pick(targets.guests)],
    forMs: logUniform(random, 20, 6000),
    amount: random.int(3),
  }),
  describe: ({ targets: [guest], amount }) =>
    `${guest} joins${["", ", dies, and is struck off", ", and is struck off"][amount]}`,
  begin(field, { targets: [guest], amount, forMs }) {
    field.enlist(guest!);
    if (amount !== 1) return;
    field.world.at(field.world.nowMs + forMs / 2, () => {
      if (field.isUp(guest!)) field.world.kill(guest!);
    });
  },
  end: (field, { targets: [guest], amount }) =>
    field.dismiss(guest!, amount === 2 ? "struck off" : "by itself"),
};

/** `amount`: 0 it leaves by itself, 1 the others strike it off. */
const leave: FaultKind = {
  name: "leave",
  about: "a database node leaves the cluster for good, and later one of its name joins",
  draw: (random, targets) => ({
    targets: [random.pick(targets.nodes)],
    forMs: logUniform(random, 1, 4000),
    amount: random.int(2),
  }),
  describe: ({ targets: [node], amount }) => (amount === 0 ? `${node} leaves` : `${node} is struck off`),
  begin: (field, { targets: [node], amount }) =>
    field.retire(node!, amount === 0 ? "by itself" : "struck off"),
  end: (field, { targets: [node] }) => field.start(node!),
};

export const TOPOLOGY_FAULTS: readonly FaultKind[] = [join, leave];
