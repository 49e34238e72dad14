// What the sandbox's pages do: save in the user's name, then go to the callback, whose address is put together without any
// encoding, as the real page does.

const element = (id) => document.getElementById(id);
const data = element("page");
const page = data && JSON.parse(data.textContent);

const tell = (text) => {
  element("error").textContent = text;
  element("error").hidden = !text;
};

const post = async (action, content) => {
  const answer = await fetch(`/sandbox/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  return body;
};

const lines = (text) => text.split("\n").filter((line) => line);

const press = async (action) => {
  tell("");
  const acknowledge = element("acknowledge");
  if (page.refusal) return tell(page.refusal);
  if (acknowledge && !acknowledge.checked) return tell("Please acknowledge the warning first.");
  const buttons = document.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    const clientId = element("client-id").value;
    const made = await post(action, {
      clientId,
      description: element("description").value,
      scopes: lines(element("scopes").value),
      expires: page.expires,
      loaded: page.loaded,
    });
    if (page.callback === null) {
      document.querySelector("main").innerHTML = "<h1>Client saved</h1>";
    } else {
      window.location.replace(`${page.callback}?clientId=${made.clientId}&accessToken=${made.accessToken}`);
    }
  } catch (error) {
    tell(error.message);
  }
  for (const button of buttons) button.disabled = false;
};

const actions = { save: page?.variant === "edit" ? "update" : "create", reset: "reset", "create-new": "create-new" };
for (const [id, action] of Object.entries(actions)) element(id)?.addEventListener("click", () => press(action));

// Until the page knows who the user is, there is a form without a Client ID, and Save ends in "Not Found".
if (page && !page.known) {
  const user = await post("user", { name: page.name, scopes: page.scopes, loaded: page.loaded });
  if (page.callback !== null) {
    element("client-id").value = user.clientId;
    element("scopes").value = user.scopes.join("\n");
  }
  tell("");
}
