/** What an operator asks of a cluster that serves: another writer, another mode. */
import { type FaultKind, logUniform } from "../fault.ts";

/** `amount`: 1 if the old writer dies in between, 2 if the new one does. */
const failover: FaultKind = {
  name: "failover",
  about:
    "the writer of an exclusive volume hands over to a node, up or not; a shared one has nothing to hand over",
  draw: (random, targets) => ({
    targets: [random.pick(targets.nodes)],
    forMs: logUniform(random, 1, 2000),
    amount: random.pick([0, 0, 1, 2]),
  }),
  describe: ({ targets: [to], amount }) =>
    `failover to ${to}${["", ", the old writer dying", ", the new writer dying"][amount]}`,
  begin(field, { targets: [to], amount, forMs }) {
    const from = field.failOver(to!);
    const victim = amount === 1 ? from : to;
    if (amount === 0 || victim === undefined) return;
    // Some way into it, which takes about as long as some messages.
    const inBetween = field.world.nowMs + Math.min(forMs, 20) / 2;
    field.world.at(inBetween, () => field.stop(victim, "kill"));
    field.world.at(inBetween + forMs, () => field.start(victim));
  },
  end: () => undefined,
};

/** `amount`: 0 to single and back to multi, 1 the other way. */
const modeSwitch: FaultKind = {
  name: "mode-switch",
  about: "the volume is moved to one mode, and after a while, or before it gets there, to the other",
  draw: (random) => ({ targets: [], forMs: logUniform(random, 1, 4000), amount: random.int(2) }),
  describe: ({ amount }) => `mode ${amount === 0 ? "single, then multi" : "multi, then single"}`,
  begin: (field, { amount }) => field.switchMode(amount === 0 ? "single" : "multi"),
  end: (field, { amount }) => field.switchMode(amount === 0 ? "multi" : "single"),
};

export const MODE_FAULTS: readonly FaultKind[] = [failover, modeSwitch];
