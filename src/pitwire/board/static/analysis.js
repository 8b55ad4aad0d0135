// The analysis: figures as Python made them, drawn by the script that the Plotly package ships.

const token = sessionStorage.getItem("token") || "";
const desk = new URLSearchParams(location.search).get("desk") || "", query = `?desk=${encodeURIComponent(desk)}`;
if (desk) document.querySelector("h1").textContent = `Analysis of ${desk}`;
const note = document.getElementById("note"), main = document.getElementById("figures");
const ask = async (path) => {
  const answer = await fetch(path + query, { headers: { "X-Pitwire-Token": token } });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  const told = await answer.json();
  if (told.error) throw new Error(told.error);
  return told;
};

async function draw() {
  if (!window.Plotly) { note.textContent = "The analysis needs the extra “board”: pip install 'pitwire[board]'"; return; }
  try {
    const told = await ask("/figures"), kept = new Set();
    for (const { title, figure } of told.figures) {
      kept.add(title);
      let section = [...main.children].find((one) => one.dataset.title === title);
      if (!section) {
        section = document.createElement("section");
        section.dataset.title = title;
        if (title === "Trigger audit") section.className = "broad";
        const heading = document.createElement("h2");
        heading.textContent = title;
        section.append(heading, document.createElement("div"));
        main.append(section);
      }
      await window.Plotly.react(section.lastChild, figure.data, figure.layout, { displaylogo: false, responsive: true });
    }
    for (const section of [...main.children]) if (!kept.has(section.dataset.title)) section.remove();
    for (const section of main.children) window.Plotly.Plots.resize(section.lastChild);
    note.textContent = `${kept.size} figures, drawn ${new Date().toISOString().slice(11, 19)} UTC${told.trouble ? `; the journal: ${told.trouble}` : ""}${kept.size ? "" : "; no order yet"}`;
  } catch (error) { note.textContent = error.message; }
}

document.getElementById("again").onclick = draw;
document.getElementById("export").onclick = async () => {
  try {
    const { html } = await ask("/report");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([html], { type: "text/html" }));
    link.download = "pitwire-report.html";
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) { note.textContent = error.message; }
};
draw();
setInterval(() => { if (!document.hidden && main.checkVisibility()) draw(); }, 5000);
