/** What is added meanwhile has its turn, too. */
export function drain<Effect>(effects: Effect[], carryOut: (effect: Effect) => void): void {
  for (let i = 0; i < effects.length; i++) carryOut(effects[i]!);
  effects.length = 0;
}
