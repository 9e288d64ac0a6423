# pipespec_layer(NAME [DEPENDS layer …] [LIBRARIES target …])
# One folder of src/ = one layer = one static library `pipespec_NAME`; its sources are all of the folder but main.cpp.
# The layers a folder may include are the table of CONTRIBUTING.md, which tests/layers_test.py checks.

add_library(pipespec_flags INTERFACE)
target_compile_features(pipespec_flags INTERFACE cxx_std_20)
# Whether a multiply and an add are fused must never be the compiler's choice: the same sum has the same bits on every path.
target_compile_options(pipespec_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -ffp-contract=off
                       $<$<BOOL:${PIPESPEC_WERROR}>:-Werror>)
if(PIPESPEC_SANITIZE)
  # -O1: a sanitizer's checks around fully inlined vector code take the compiler minutes a file. Its instrumentation makes
  # GCC 12 see uninitialised values in the standard library's <regex>, where there are none.
  target_compile_options(pipespec_flags INTERFACE -fsanitize=${PIPESPEC_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all -O1 -g1
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(pipespec_flags INTERFACE -fsanitize=${PIPESPEC_SANITIZE})
endif()

function(pipespec_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LIBRARIES")
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*.hpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  add_library(pipespec_${name} STATIC ${sources})
  set_target_properties(pipespec_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(pipespec_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM arg_DEPENDS PREPEND pipespec_)
  target_link_libraries(pipespec_${name} PUBLIC pipespec_flags ${arg_DEPENDS} ${arg_LIBRARIES})
endfunction()
