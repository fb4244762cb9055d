/** The value under `tallystick.<name>`. One from the time when the project was called Runnel is moved there first. */
export function stored(storage: Storage, name: string): string | null {
  const old = storage.getItem(`runnel.${name}`);
  if (old !== null) {
    if (storage.getItem(`tallystick.${name}`) === null) storage.setItem(`tallystick.${name}`, old);
    storage.removeItem(`runnel.${name}`);
  }
  return storage.getItem(`tallystick.${name}`);
}
