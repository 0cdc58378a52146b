/** Clocks that jump and drift. Nothing in the protocol may depend on them. */
import { type FaultKind, type FaultShape, logUniform } from "../fault.ts";

const names = (fault: FaultShape): string => fault.targets.join(", ");

/** `amount`: milliseconds, to either side. */
const skew: FaultKind = {
  name: "clock-skew",
  about: "a process's wall clock jumps by up to five minutes, and back",
  draw: (random, targets) => ({
    targets: [random.pick([...targets.servers, ...targets.nodes])],
    forMs: logUniform(random, 100, 5000),
    amount: logUniform(random, 10, 300_000) * (random.chance(0.5) ? 1 : -1),
  }),
  describe: (fault) => `the wall clock of ${names(fault)} jumps by ${fault.amount} ms`,
  begin: (field, { targets, amount }) => field.world.setWallAhead(targets[0]!, amount),
  end: (field, { targets }) => field.world.setWallAhead(targets[0]!, 0),
};

/** `amount`: parts in a million; 200,000 is a clock that runs a fifth too fast. */
const drift: FaultKind = {
  name: "clock-drift",
  about: "a process's clock runs up to a fifth too fast or too slow",
  draw: (random, targets) => ({
    targets: [random.pick([...targets.servers, ...targets.nodes])],
    forMs: logUniform(random, 500, 6000),
    amount: logUniform(random, 100, 200_000) * (random.chance(0.5) ? 1 : -1),
  }),
  describe: (fault) => `the clock of ${names(fault)} drifts by ${fault.amount} ppm`,
  begin: (field, { targets, amount }) => field.world.setDrift(targets[0]!, amount),
  end: (field, { targets }) => field.world.setDrift(targets[0]!, 0),
};

export const CLOCK_FAULTS: readonly FaultKind[] = [skew, drift];
