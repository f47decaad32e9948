// Judge images by an exported model in C++. Needs ONNX Runtime's headers and its shared library.
//
// g++ -std=c++17 -I.../onnxruntime onnxruntime_only.cpp .../libonnxruntime.so -o judge
// ./judge parts.onnx image.ppm ...    (binary PPM or PGM: other formats need a decoder)
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("expected: judge parts.onnx image.ppm ...");
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR);
  Ort::Session session(env, words[1], Ort::SessionOptions());
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const char *inputs[] = {"images"}, *outputs[] = {"score", "p_value", "is_anomaly"};

  int code = 0;
  for (int i = 2; i < count; ++i) try {
    std::ifstream file(words[i], std::ios::binary);
    std::string magic;
    int64_t width = 0, height = 0, most = 0;
    file >> magic >> width >> height >> most;
    file.get();  // one white space ends the head
    if ((magic != "P6" && magic != "P5") || most != 255)
      throw std::runtime_error("no binary PPM or PGM of 8 bits");
    const int64_t shape[] = {1, height, width, magic == "P6" ? 3 : 1};  // NHWC
    std::vector<uint8_t> pixels(height * width * shape[3]);
    if (!file.read(reinterpret_cast<char*>(pixels.data()), pixels.size()))
      throw std::runtime_error("ends before its last pixel");
    auto images = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape, 4);
    auto found = session.Run(Ort::RunOptions(), inputs, &images, 1, outputs, 3);
    const bool odd = *found[2].GetTensorData<bool>();
    std::printf("%s,%f,%f,%s\n", words[i], *found[0].GetTensorData<float>(),
                *found[1].GetTensorData<float>(), odd ? "anomaly" : "fine");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", words[i], error.what());
    code = 1;
  }
  return code;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
